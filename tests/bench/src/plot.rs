//! Plots for the documentation: figures against a count that grows by factors, as an SVG that needs no script and no
//! font.
//!
//! Each point has its quartiles as a whisker. A point that stands for less than the whole is hollow. It chooses the
//! colours and the marks, and they differ in both, so that a plot can be read in grey.

use std::io;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::stats::Spread;

/// Pixels of one chart; several stand below each other.
const SIZE: (u32, u32) = (860, 400);

/// Of these, the width of what is beside the axes.
const LEGEND: u32 = 180;

/// Of Okabe and Ito's palette, which the colour-blind can tell apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
];

/// One pair of axes.
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x_name: String,
    pub(crate) y_name: String,
    pub(crate) scale: Scale,
    pub(crate) lines: Vec<Line>,
}

/// How the vertical axis runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero, in equal steps.
    Linear,
    /// By factors.
    Logarithmic,
}

/// What belongs together.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// One figure.
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: Spread,
    pub(crate) fill: Fill,
}

/// How a point is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    Solid,
    Hollow,
}

/// Writes the charts below each other.
///
/// # Errors
/// There is nothing to draw, or the file cannot be written.
pub(crate) fn write(path: &Path, charts: &[Chart]) -> io::Result<()> {
    let text = svg(charts)?;
    std::fs::write(path, text).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn svg(charts: &[Chart]) -> io::Result<String> {
    let mut text = String::new();
    {
        let size = (SIZE.0, SIZE.1 * charts.len() as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE).map_err(io::Error::other)?;
        for (chart, area) in charts.iter().zip(root.split_evenly((charts.len(), 1))) {
            draw(chart, &area)?;
        }
        root.present().map_err(io::Error::other)?;
    }
    Ok(text)
}

fn draw(chart: &Chart, whole: &DrawingArea<SVGBackend<'_>, Shift>) -> io::Result<()> {
    let (area, beside) = whole.split_horizontally(SIZE.0 - LEGEND);
    draw_legend(chart, &beside)?;
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let xs = bounds(points().map(|point| point.x))?;
    let ys = bounds(points().flat_map(|point| [point.y.low, point.y.high]))?;
    match chart.scale {
        Scale::Linear => draw_on(chart, &area, (xs, 0.0..ys.end * 1.08)),
        Scale::Logarithmic => draw_on(chart, &area, (xs, (ys.start / 1.5..ys.end * 1.5).log_scale())),
    }
}

/// The smallest and the largest.
fn bounds(figures: impl Iterator<Item = f64>) -> io::Result<Range<f64>> {
    let both =
        figures.fold(f64::INFINITY..f64::NEG_INFINITY, |range, figure| range.start.min(figure)..range.end.max(figure));
    if both.start.is_finite() && both.end.is_finite() {
        Ok(both)
    } else {
        Err(io::Error::other("there is nothing to plot"))
    }
}

fn draw_on<Y>(chart: &Chart, area: &DrawingArea<SVGBackend<'_>, Shift>, (xs, ys): (Range<f64>, Y)) -> io::Result<()>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let wide = (xs.start / 1.3..xs.end * 1.3).log_scale();
    let mut context = ChartBuilder::on(area)
        .caption(&chart.title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(74)
        .build_cartesian_2d(wide, ys)
        .map_err(io::Error::other)?;
    context
        .configure_mesh()
        .x_desc(&chart.x_name)
        .y_desc(&chart.y_name)
        .x_label_formatter(&|value| count(*value))
        .y_label_formatter(&|value| count(*value))
        .label_style(("sans-serif", 13))
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .draw()
        .map_err(io::Error::other)?;
    for (nth, line) in chart.lines.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let middles = line.points.iter().map(|point| (point.x, point.y.median));
        let whiskers = line.points.iter().map(|point| {
            PathElement::new(vec![(point.x, point.y.low), (point.x, point.y.high)], colour.stroke_width(2))
        });
        context.draw_series(whiskers).map_err(io::Error::other)?;
        context.draw_series(LineSeries::new(middles, colour.stroke_width(2))).map_err(io::Error::other)?;
        for point in &line.points {
            let inside = if point.fill == Fill::Solid { colour } else { WHITE };
            let at = EmptyElement::at((point.x, point.y.median));
            let whole = at + mark(nth, 0, colour.filled()) + hole(nth, inside.filled());
            context.draw_series([whole]).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// What each mark stands for, beside the axes: within them it would hide points.
fn draw_legend(chart: &Chart, area: &DrawingArea<SVGBackend<'_>, Shift>) -> io::Result<()> {
    let font = ("sans-serif", 13).into_font();
    for (nth, line) in chart.lines.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let entry = EmptyElement::at((0, 60 + 22 * nth as i32))
            + PathElement::new(vec![(0, 0), (24, 0)], colour.stroke_width(2))
            + mark(nth, 12, colour.filled())
            + Text::new(line.name.clone(), (32, -5), font.clone());
        area.draw(&entry).map_err(io::Error::other)?;
    }
    Ok(())
}

/// The mark of the line number `nth`, shifted to the right of its place.
fn mark(nth: usize, right: i32, style: ShapeStyle) -> Polygon<(i32, i32)> {
    Polygon::new(form(nth).iter().map(|(x, y)| (x + right, *y)).collect::<Vec<_>>(), style)
}

/// What is cut out of it, when it is hollow.
fn hole(nth: usize, style: ShapeStyle) -> Polygon<(i32, i32)> {
    Polygon::new(form(nth).iter().map(|(x, y)| (x * 3 / 5, y * 3 / 5)).collect::<Vec<_>>(), style)
}

/// The corners of a mark around its middle: each line has another form.
fn form(nth: usize) -> &'static [(i32, i32)] {
    match nth % 6 {
        0 => &[(-5, -5), (5, -5), (5, 5), (-5, 5)],
        1 => &[(0, -7), (7, 5), (-7, 5)],
        2 => &[(0, -7), (7, 0), (0, 7), (-7, 0)],
        3 => &[(-7, -5), (7, -5), (0, 7)],
        4 => &[(-3, -6), (3, -6), (6, -3), (6, 3), (3, 6), (-3, 6), (-6, 3), (-6, -3)],
        _ => &[(-3, -7), (3, -7), (3, 7), (-3, 7)],
    }
}

/// With a k for thousands and an M for millions, so that zeros need not be counted.
fn count(value: f64) -> String {
    match value {
        millions if millions >= 1e6 => format!("{}M", millions / 1e6),
        thousands if thousands >= 1e3 => format!("{}k", thousands / 1e3),
        few => format!("{few}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, points: Vec<Point>) -> Chart {
        let lines = vec![Line { name: "a & b".to_owned(), points }];
        Chart { title: "Title".to_owned(), x_name: "clients".to_owned(), y_name: "speed".to_owned(), scale, lines }
    }

    fn point(x: f64, fill: Fill) -> Point {
        Point { x, y: Spread { median: 10.0 * x, low: 9.0 * x, high: 11.0 * x }, fill }
    }

    #[test]
    fn a_plot_says_what_it_shows() {
        let points = || vec![point(1.0, Fill::Solid), point(1000.0, Fill::Solid)];
        let text = svg(&[chart(Scale::Linear, points()), chart(Scale::Logarithmic, points())]).expect("a plot");
        for wanted in ["Title", "clients", "speed", "a &amp; b", "10k", "height=\"800\""] {
            assert!(text.contains(wanted), "no {wanted} in {text}");
        }
    }

    #[test]
    fn a_hollow_point_has_a_white_middle() {
        let white = |fill| {
            let text = svg(&[chart(Scale::Linear, vec![point(1.0, fill), point(2.0, Fill::Solid)])]).expect("a plot");
            text.lines().filter(|line| line.starts_with("<polygon") && line.contains("#FFFFFF")).count()
        };
        assert_eq!((white(Fill::Solid), white(Fill::Hollow)), (0, 1));
    }

    #[test]
    fn nothing_is_no_plot() {
        assert!(svg(&[chart(Scale::Linear, Vec::new())]).is_err());
        assert!(svg(&[chart(Scale::Logarithmic, vec![point(f64::NAN, Fill::Solid)])]).is_err());
    }
}
