//! The plots of a comparison: what happens when there are more connections, or more members.

use crate::cases::Case;
use crate::contest::FLOOR_AGAIN;
use crate::handler::Handler;
use crate::outcome::Outcome;
use crate::plot::{Chart, Fill, Line, Point, Scale};

/// The window of the room that is plotted.
const WINDOW: u64 = 16;

/// Throughput and 99th percentile of echo, against the connections. None if that was not measured.
pub(crate) fn echo(outcomes: &[Outcome]) -> Option<Vec<Chart>> {
    let at = |case| match case {
        Case::Reply { handler: Handler::Echo, connections, size: 64, depth: 1 } => Some(connections as f64),
        _ => None,
    };
    let chart = |(title, y_name, scale, nth): (&str, &str, Scale, usize)| {
        chart((title, "connections", y_name), scale, lines(outcomes, at, nth))
    };
    Some(vec![
        chart(("Echo of 64 bytes, one in flight on each connection", "messages/s", Scale::Linear, 0))?,
        chart(("99th percentile of the time to an answer", "microseconds", Scale::Logarithmic, 2))?,
    ])
}

/// Deliveries a second, against the members. None if that was not measured.
pub(crate) fn room(outcomes: &[Outcome]) -> Option<Vec<Chart>> {
    let at = |case| match case {
        Case::Room { members, window: WINDOW } => Some(members as f64),
        _ => None,
    };
    let title = "One room, 4 publishers, 16 publications under way";
    Some(vec![chart((title, "members", "deliveries/s"), Scale::Linear, lines(outcomes, at, 0))?])
}

fn chart((title, x_name, y_name): (&str, &str, &str), scale: Scale, lines: Vec<Line>) -> Option<Chart> {
    let (title, x_name, y_name) = (title.to_owned(), x_name.to_owned(), y_name.to_owned());
    (!lines.is_empty()).then_some(Chart { title, x_name, y_name, scale, lines })
}

/// A line for each contestant that has a figure in one of the cases that have a place on the axis.
fn lines(outcomes: &[Outcome], at: impl Fn(Case) -> Option<f64>, nth: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for outcome in outcomes {
        let Some(x) = at(outcome.case) else { continue };
        for &name in outcome.names.iter().filter(|name| **name != FLOOR_AGAIN) {
            let Some(y) = outcome.spread(name, nth) else { continue };
            let point = Point { x, y, fill: Fill::Solid };
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { name: name.to_owned(), points: vec![point] }),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::drifting;

    fn room_of(members: u64, window: u64) -> Outcome {
        Outcome { case: Case::Room { members, window }, ..drifting() }
    }

    #[test]
    fn a_line_has_a_point_for_each_case_on_the_axis() {
        let charts = room(&[room_of(100, WINDOW), room_of(100, 1), room_of(1000, WINDOW)]).expect("a plot");
        let lines: Vec<_> = charts[0].lines.iter().map(|line| (&*line.name, line.points.len())).collect();
        assert_eq!(lines, [("ours", 2), ("floor", 2)]);
    }

    #[test]
    fn what_was_not_measured_is_not_plotted() {
        assert!(echo(&[room_of(100, WINDOW)]).is_none() && room(&[drifting()]).is_none());
    }
}
