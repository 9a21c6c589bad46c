package dev.loupe.conformance.kit;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.apiguardian.api.API;

/**
 * Says which rule of the specification a method tests. The method takes an {@link Attempt} and returns nothing, or
 * takes nothing and returns a stream of {@link Trial}s; its name, taken apart, is the name of the test.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
@API(status = API.Status.INTERNAL, since = "0.1")
public @interface Rule {

    /** The rule's number: {@code 3.6}. */
    String value();
}
