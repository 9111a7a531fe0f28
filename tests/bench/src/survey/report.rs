//! What a survey has found: a table a figure, with a row for each way and a column for each crowd; and the plot.

use std::fmt;

use crate::capacity;
use crate::crowd;
use crate::plot::{Chart, Fill, Line, Point, Scale};
use crate::stats::Spread;
use crate::table::figure;

const MIB: f64 = (1 << 20) as f64;
const KIB: f64 = 1024.0;

/// All results. The last way is what the others are compared with.
pub(super) struct Survey {
    names: Vec<&'static str>,
    sizes: Vec<usize>,
    /// For each crowd and each way the reports of all rounds, in their order.
    pub(super) crowds: Vec<Vec<Vec<crowd::Report>>>,
    /// For each way the reports of all rounds.
    pub(super) capacities: Vec<Vec<capacity::Report>>,
}

impl Survey {
    pub(super) fn new(names: &[&'static str], sizes: &[usize]) -> Survey {
        let ways = || (0..names.len()).map(|_| Vec::new()).collect::<Vec<_>>();
        Survey {
            names: names.to_vec(),
            sizes: sizes.to_vec(),
            crowds: sizes.iter().map(|_| ways()).collect(),
            capacities: (0..names.len()).map(|_| Vec::new()).collect(),
        }
    }

    /// How many measurements are in it although they were disturbed, and how many there are.
    pub(super) fn disturbed(&self) -> (usize, usize) {
        let all = || self.crowds.iter().flatten().flatten();
        (all().filter(|report| report.intrusion > super::DISTURBED).count(), all().count())
    }

    /// The figure of a crowd and a way over all rounds.
    fn spread(&self, (crowd, way): (usize, usize), look: impl Fn(&crowd::Report) -> f64) -> Spread {
        Spread::of(self.crowds[crowd][way].iter().map(look))
    }

    /// Throughput divided by that of the last way in the same round.
    fn ratio(&self, crowd: usize, way: usize) -> Spread {
        let ways = &self.crowds[crowd];
        let pairs = ways[way].iter().zip(&ways[ways.len() - 1]);
        Spread::of(pairs.map(|(one, other)| one.messages_per_second / other.messages_per_second))
    }

    /// Two charts: throughput and the 99th percentile.
    pub(super) fn charts(&self) -> Vec<Chart> {
        let lines = |look: fn(&crowd::Report) -> f64| {
            let line = |(way, name): (usize, &&str)| {
                let point = |(crowd, &size): (usize, &usize)| {
                    let served = self.spread((crowd, way), |report| report.served as f64).median;
                    let fill = if served < size as f64 { Fill::Hollow } else { Fill::Solid };
                    Point { x: size as f64, y: self.spread((crowd, way), look), fill }
                };
                // Without an answer there is no time to one.
                let points = self.sizes.iter().enumerate().map(point).filter(|point| !point.y.high.is_nan());
                Line { name: (*name).to_owned(), points: points.collect() }
            };
            self.names.iter().enumerate().map(line).collect()
        };
        let x_name = "clients at once; hollow: some of them are not served";
        vec![
            Chart {
                title: "Messages a second".to_owned(),
                x_name: x_name.to_owned(),
                y_name: "messages/s".to_owned(),
                scale: Scale::Linear,
                lines: lines(|report| report.messages_per_second),
            },
            Chart {
                title: "99th percentile of the time to an answer".to_owned(),
                x_name: x_name.to_owned(),
                y_name: "microseconds".to_owned(),
                scale: Scale::Logarithmic,
                lines: lines(|report| report.p99),
            },
        ]
    }

    /// One table: its cells by crowd and way.
    fn table(&self, f: &mut fmt::Formatter<'_>, title: &str, cell: impl Fn(usize, usize) -> String) -> fmt::Result {
        write!(f, "\n| {title} |")?;
        self.sizes.iter().try_for_each(|size| write!(f, " x {size} |"))?;
        writeln!(f, "\n|---|{}", "--:|".repeat(self.sizes.len()))?;
        for (way, name) in self.names.iter().enumerate() {
            write!(f, "| {name} |")?;
            (0..self.sizes.len()).try_for_each(|crowd| write!(f, " {} |", cell(crowd, way)))?;
            writeln!(f)?;
        }
        Ok(())
    }

    fn capacity_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| capacity | clients served | gives up, because | clients/s | KiB a client | KiB a client, kernel \
             | processes | threads |"
        )?;
        writeln!(f, "|---|--:|---|--:|--:|--:|--:|--:|")?;
        for (name, reports) in self.names.iter().zip(&self.capacities) {
            let spread = |look: fn(&capacity::Report) -> f64| Spread::of(reports.iter().map(look));
            let mut ends: Vec<String> = reports.iter().map(|report| report.end.to_string()).collect();
            ends.sort();
            ends.dedup();
            writeln!(
                f,
                "| {name} | {:.0} | {} | {} | {} | {} | {:.0} | {:.0} |",
                spread(|report| report.served as f64).median,
                ends.join("; "),
                figure(spread(|report| report.connects_per_second).median),
                middle(&spread(|report| report.memory / KIB)),
                middle(&spread(|report| report.kernel_memory / KIB)),
                spread(|report| report.processes as f64).median,
                spread(|report| report.threads as f64).median,
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |look: fn(&crowd::Report) -> f64| move |crowd, way| self.spread((crowd, way), look);
        let served = of(|report| report.served as f64);
        self.table(f, "clients served", |crowd, way| format!("{:.0}", served(crowd, way).median))?;
        let rate = of(|report| report.messages_per_second);
        self.table(f, "messages/s", |crowd, way| full(&rate(crowd, way)))?;
        self.table(f, "messages/s, ratio to the loop", |crowd, way| crate::table::ratio(&self.ratio(crowd, way)))?;
        let p99 = of(|report| report.p99);
        self.table(f, "p99 us", |crowd, way| full(&p99(crowd, way)))?;
        let cpu = of(|report| report.cpu_per_message);
        self.table(f, "CPU us/message", |crowd, way| full(&cpu(crowd, way)))?;
        let memory = of(|report| report.memory as f64 / MIB);
        self.table(f, "memory, MiB", |crowd, way| full(&memory(crowd, way)))?;
        let (processes, threads) = (of(|report| report.processes as f64), of(|report| report.threads as f64));
        self.table(f, "processes / threads", |crowd, way| {
            format!("{:.0} / {:.0}", processes(crowd, way).median, threads(crowd, way).median)
        })?;
        self.capacity_table(f)
    }
}

fn full(spread: &Spread) -> String {
    format!("{} ({} {})", figure(spread.median), figure(spread.low), figure(spread.high))
}

/// A dash where there is none.
fn middle(spread: &Spread) -> String {
    if spread.median.is_nan() { "-".to_owned() } else { figure(spread.median) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::End;

    fn crowd(messages_per_second: f64, served: usize) -> crowd::Report {
        let (p99, cpu_per_message) = (50.0, 5.0);
        crowd::Report {
            messages_per_second,
            p99,
            cpu_per_message,
            served,
            memory: 3 << 20,
            processes: 1,
            threads: 9,
            intrusion: 0.0,
        }
    }

    fn capacity(served: usize, end: End) -> capacity::Report {
        let (connects_per_second, kernel_memory) = (100.0, f64::NAN);
        let memory = 2048.0;
        capacity::Report { served, end, connects_per_second, memory, kernel_memory, processes: 1, threads: 9 }
    }

    /// Two rounds, in the second of which the machine is ten times slower.
    fn survey() -> Survey {
        let mut survey = Survey::new(&["half", "loop"], &[8]);
        survey.crowds[0][0] = vec![crowd(1000.0, 4), crowd(100.0, 4)];
        survey.crowds[0][1] = vec![crowd(2000.0, 8), crowd(200.0, 8)];
        survey.capacities[0] = vec![capacity(4, End::Closed), capacity(4, End::Unanswered)];
        survey.capacities[1] = vec![capacity(9, End::Enough), capacity(9, End::Enough)];
        survey
    }

    #[test]
    fn a_way_is_compared_within_the_round() {
        let text = survey().to_string();
        assert!(text.contains("| half | 0.500 (0.500 0.500) |"), "{text}");
    }

    #[test]
    fn what_was_disturbed_is_counted() {
        let mut survey = survey();
        survey.crowds[0][1][0].intrusion = 0.2;
        assert_eq!(survey.disturbed(), (1, 4));
    }

    #[test]
    fn every_reason_to_give_up_is_given_once() {
        let text = survey().to_string();
        assert!(text.contains("| half | 4 | the next is closed; the next is not answered within 2s |"), "{text}");
        assert!(text.contains("| loop | 9 | not reached | 100 | 2.00 | - | 1 | 9 |"), "{text}");
    }

    #[test]
    fn a_point_is_hollow_where_a_client_is_not_served() {
        let charts = survey().charts();
        let fills: Vec<Fill> = charts[0].lines.iter().map(|line| line.points[0].fill).collect();
        assert!(fills == [Fill::Hollow, Fill::Solid]);
    }
}
