package dev.loupe.hook;

/**
 * A pattern for names, in which {@code *} stands for any characters and {@code ?} for one.
 *
 * <p>Matching goes back to the last star alone: what an earlier star could take more of, the last one can take as well.
 * So the time is bounded by the product of both lengths, however many stars there are; a regular expression's grows
 * exponentially with them.
 */
final class Glob {

    private final String pattern;

    Glob(String pattern) {
        this.pattern = pattern.replaceAll("\\*+", "*");
    }

    /** Whether the pattern stands for the whole name. */
    boolean matches(String name) {
        int inPattern = 0;
        int inName = 0;
        int afterStar = -1;
        int retry = 0;
        while (inName < name.length()) {
            char wanted = inPattern < pattern.length() ? pattern.charAt(inPattern) : 0;
            if (wanted == '*') {
                afterStar = ++inPattern;
                retry = inName;
            } else if (inPattern < pattern.length() && (wanted == '?' || wanted == name.charAt(inName))) {
                inPattern++;
                inName++;
            } else if (afterStar >= 0) {
                // The last star takes one character more.
                inPattern = afterStar;
                inName = ++retry;
            } else {
                return false;
            }
        }
        return pattern.substring(inPattern).replace("*", "").isEmpty();
    }
}
