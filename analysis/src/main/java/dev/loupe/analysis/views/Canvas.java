package dev.loupe.analysis.views;

import java.awt.Color;

/** What a drawing is drawn on, in units of a pixel of the page. */
interface Canvas {

    /** Where the given point stands in a text. */
    enum Anchor {
        START,
        MIDDLE,
        END
    }

    /** A filled rectangle. */
    void rectangle(double x, double y, double width, double height, Color color);

    /** A line of text on its base line, turned clockwise by some degrees around the point. */
    void text(String text, double x, double y, double size, Anchor anchor, double turn, Color color);
}
