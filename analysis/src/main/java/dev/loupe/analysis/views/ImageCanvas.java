package dev.loupe.analysis.views;

import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.AffineTransform;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;

/** Draws into pixels, without a screen. */
final class ImageCanvas implements Canvas {

    private final Graphics2D graphics;

    private ImageCanvas(Graphics2D graphics) {
        this.graphics = graphics;
    }

    static BufferedImage draw(HeatMapDrawing drawing, double zoom) {
        int width = (int) Math.ceil(drawing.width() * zoom);
        int height = (int) Math.ceil(drawing.height() * zoom);
        if (!(zoom > 0) || (long) width * height > 400_000_000L) {
            throw new IllegalArgumentException("A picture of " + width + " by " + height
                    + " pixels can't be drawn; choose another zoom than " + zoom);
        }
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        try {
            graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
            graphics.setRenderingHint(RenderingHints.KEY_FRACTIONALMETRICS, RenderingHints.VALUE_FRACTIONALMETRICS_ON);
            graphics.scale(zoom, zoom);
            drawing.draw(new ImageCanvas(graphics));
        } finally {
            graphics.dispose();
        }
        return image;
    }

    @Override
    public void rectangle(double x, double y, double width, double height, Color color) {
        graphics.setColor(color);
        graphics.fill(new Rectangle2D.Double(x, y, width, height));
    }

    @Override
    public void text(String text, double x, double y, double size, Anchor anchor, double turn, Color color) {
        graphics.setColor(color);
        graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 1).deriveFont((float) size));
        double length =
                graphics.getFontMetrics().getStringBounds(text, graphics).getWidth();
        double shift = switch (anchor) {
            case START -> 0;
            case MIDDLE -> -length / 2;
            case END -> -length;
        };
        AffineTransform before = graphics.getTransform();
        graphics.translate(x, y);
        graphics.rotate(Math.toRadians(turn));
        graphics.drawString(text, (float) shift, 0);
        graphics.setTransform(before);
    }
}
