package dev.loupe.tensor;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/** Einstein summation of one or two tensors by transposing, merging axes and one matrix product. */
final class Einsum {

    private Einsum() {}

    static Tensor run(String pattern, Tensor... operands) {
        int arrow = pattern.indexOf("->");
        String[] terms = arrow < 0 ? new String[0] : pattern.substring(0, arrow).split(",", -1);
        if (arrow < 0 || terms.length != operands.length || terms.length < 1 || terms.length > 2) {
            throw bad(pattern, operands, "needs a pattern such as 'ij,jk->ik' with one term for each operand");
        }
        String result = pattern.substring(arrow + 2).strip();
        Map<Character, Long> sizes = new HashMap<>();
        for (int i = 0; i < terms.length; i++) {
            terms[i] = terms[i].strip();
            check(pattern, operands, terms[i], i, sizes);
        }
        for (int i = 0; i < result.length(); i++) {
            char letter = result.charAt(i);
            if (!sizes.containsKey(letter) || result.indexOf(letter) != result.lastIndexOf(letter)) {
                throw bad(pattern, operands, "the result's letters must stand in the operands, each once");
            }
        }
        if (terms.length == 1) {
            Tensor summed = sumAllBut(operands[0], terms[0], result);
            return arrange(summed, keep(terms[0], result), result);
        }
        return product(operands[0], terms[0], operands[1], terms[1], result, sizes);
    }

    private static void check(String pattern, Tensor[] operands, String term, int operand, Map<Character, Long> sizes) {
        if (term.length() != operands[operand].rank()) {
            throw bad(pattern, operands, "'" + term + "' doesn't name each axis");
        }
        for (int axis = 0; axis < term.length(); axis++) {
            char letter = term.charAt(axis);
            Long before = sizes.putIfAbsent(letter, operands[operand].size(axis));
            if (term.indexOf(letter) != axis) {
                throw bad(pattern, operands, "'" + letter + "' stands twice in '" + term + "'; diagonals aren't taken");
            }
            if (before != null && before != operands[operand].size(axis)) {
                throw bad(pattern, operands, "'" + letter + "' is " + before + " and " + operands[operand].size(axis));
            }
        }
    }

    private static Tensor product(
            Tensor a, String aTerm, Tensor b, String bTerm, String result, Map<Character, Long> sizes) {
        // Letters of one operand alone that aren't wanted can be summed away at once.
        Tensor left = sumAllBut(a, aTerm, result + bTerm);
        Tensor right = sumAllBut(b, bTerm, result + aTerm);
        String leftTerm = keep(aTerm, result + bTerm);
        String rightTerm = keep(bTerm, result + aTerm);
        StringBuilder batch = new StringBuilder();
        StringBuilder inner = new StringBuilder();
        for (int i = 0; i < leftTerm.length(); i++) {
            char letter = leftTerm.charAt(i);
            if (rightTerm.indexOf(letter) >= 0) {
                (result.indexOf(letter) >= 0 ? batch : inner).append(letter);
            }
        }
        String rows = without(leftTerm, rightTerm);
        String columns = without(rightTerm, leftTerm);
        Tensor x = arrange(left, leftTerm, batch + rows + inner)
                .reshape(count(batch, sizes), count(rows, sizes), count(inner, sizes));
        Tensor y = arrange(right, rightTerm, batch.toString() + inner + columns)
                .reshape(count(batch, sizes), count(inner, sizes), count(columns, sizes));
        String order = batch + rows + columns;
        long[] shape = new long[order.length()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = sizes.getOrDefault(order.charAt(i), 1L);
        }
        return arrange(x.matmul(y).reshape(shape), order, result);
    }

    private static Tensor sumAllBut(Tensor tensor, String term, String kept) {
        int[] axes = term.chars()
                .filter(letter -> kept.indexOf(letter) < 0)
                .map(term::indexOf)
                .toArray();
        return axes.length == 0 ? tensor : tensor.sum(axes);
    }

    private static String keep(String term, String kept) {
        StringBuilder result = new StringBuilder();
        term.chars().filter(letter -> kept.indexOf(letter) >= 0).forEach(letter -> result.append((char) letter));
        return result.toString();
    }

    private static String without(String term, String dropped) {
        StringBuilder result = new StringBuilder();
        term.chars().filter(letter -> dropped.indexOf(letter) < 0).forEach(letter -> result.append((char) letter));
        return result.toString();
    }

    private static long count(CharSequence letters, Map<Character, Long> sizes) {
        long product = 1;
        for (int i = 0; i < letters.length(); i++) {
            product *= sizes.getOrDefault(letters.charAt(i), 1L);
        }
        return product;
    }

    private static Tensor arrange(Tensor tensor, String from, String to) {
        Set<Integer> order = new LinkedHashSet<>();
        to.chars().forEach(letter -> order.add(from.indexOf(letter)));
        int[] axes = order.stream().mapToInt(Integer::intValue).toArray();
        boolean asIs = true;
        for (int i = 0; i < axes.length; i++) {
            asIs &= axes[i] == i;
        }
        return asIs ? tensor : tensor.permute(axes);
    }

    private static IllegalArgumentException bad(String pattern, Tensor[] operands, String need) {
        StringBuilder shapes = new StringBuilder();
        for (Tensor operand : operands) {
            shapes.append(shapes.isEmpty() ? "" : ", ").append(operand.shape());
        }
        return new IllegalArgumentException("einsum '" + pattern + "' of " + shapes + ": " + need);
    }
}
