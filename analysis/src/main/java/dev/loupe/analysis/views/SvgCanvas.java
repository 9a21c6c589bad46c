package dev.loupe.analysis.views;

import java.awt.Color;
import java.util.Locale;

/** Draws into the text of an SVG file. */
final class SvgCanvas implements Canvas {

    private final StringBuilder out = new StringBuilder();

    private SvgCanvas() {}

    static String draw(HeatMapDrawing drawing) {
        SvgCanvas canvas = new SvgCanvas();
        String size = number(drawing.width()) + " " + number(drawing.height());
        canvas.out
                .append("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ")
                .append(size)
                .append("\" width=\"")
                .append(number(drawing.width()))
                .append("\" height=\"")
                .append(number(drawing.height()))
                .append("\" font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" role=\"img\">\n")
                .append("<title>")
                .append(Xml.escape(drawing.title()))
                .append("</title>\n<g shape-rendering=\"crispEdges\">\n");
        drawing.draw(canvas);
        return canvas.out.append("</g>\n</svg>\n").toString();
    }

    @Override
    public void rectangle(double x, double y, double width, double height, Color color) {
        out.append("<rect x=\"").append(number(x)).append("\" y=\"").append(number(y));
        out.append("\" width=\"").append(number(width)).append("\" height=\"").append(number(height));
        out.append("\" fill=\"").append(hex(color)).append("\"/>\n");
    }

    @Override
    public void text(String text, double x, double y, double size, Anchor anchor, double turn, Color color) {
        out.append("<text x=\"").append(number(x)).append("\" y=\"").append(number(y));
        out.append("\" font-size=\"").append(number(size)).append("\" fill=\"").append(hex(color));
        if (anchor != Anchor.START) {
            out.append("\" text-anchor=\"").append(anchor == Anchor.MIDDLE ? "middle" : "end");
        }
        if (turn != 0) {
            out.append("\" transform=\"rotate(").append(number(turn)).append(' ');
            out.append(number(x)).append(' ').append(number(y)).append(')');
        }
        out.append("\">").append(Xml.escape(text)).append("</text>\n");
    }

    private static String hex(Color color) {
        return String.format(Locale.ROOT, "#%06x", color.getRGB() & 0xffffff);
    }

    private static String number(double number) {
        double rounded = Math.rint(number * 100) / 100;
        return rounded == Math.rint(rounded) ? Long.toString((long) rounded) : Double.toString(rounded);
    }
}
