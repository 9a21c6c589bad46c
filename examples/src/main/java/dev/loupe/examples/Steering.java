package dev.loupe.examples;

import dev.loupe.analysis.steering.SteeringVector;
import dev.loupe.analysis.steering.SteeringVector.Take;
import dev.loupe.model.GenerateOptions;
import dev.loupe.model.HookedTransformer;
import java.util.List;

/** A steering vector: the difference between two prompts, added to others, changes what the model talks about. */
final class Steering {

    private Steering() {}

    public static void main(String[] args) {
        try (HookedTransformer model = HookedTransformer.fromPretrained("toy-gpt2")) {
            SteeringVector italy = SteeringVector.fromContrast(
                    model, List.of("The capital of Italy is"), List.of("The capital of France is"), 1, Take.LAST);
            GenerateOptions plain = GenerateOptions.greedy(2);
            for (String prompt : List.of("The capital of France is", "The capital of Spain is")) {
                System.out.println(prompt + " ...");
                System.out.println("  as it is:     " + model.generate(prompt, plain));
                for (double coefficient : new double[] {0.5, 1, 2}) {
                    // At the prompt's last token; what is generated after it isn't steered.
                    GenerateOptions steered = plain.withHooks(italy.interventionAt(coefficient, -1));
                    System.out.println("  Italy x " + coefficient + ":  " + model.generate(prompt, steered));
                }
            }
        }
    }
}
