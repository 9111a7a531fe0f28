//! The place of an element in an answer.
//!
//! Invariant: an answer is read element by element, so one of any length takes no memory of its own.

use crate::framing::Element;

/// Follows the elements of one answer after the other.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The arrays around the next element, the outermost one first.
    open: Vec<Level>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    /// The position of the next element.
    at: usize,
    count: usize,
}

/// Where an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of arrays around it.
    pub(super) depth: usize,
    /// Its position in the innermost of them. The keys of a map are even, their values odd.
    pub(super) at: usize,
    /// The number of arrays around the next element. 0: the answer is complete.
    pub(super) depth_after: usize,
}

/// The answers of the broker have at most five levels.
const DEEPEST: usize = 8;

impl Cursor {
    /// Takes the next element. Returns `None` if it is nested too deeply, or belongs to no answer that is known here.
    pub(super) fn take(&mut self, element: &Element<'_>) -> Option<Place> {
        let count = match *element {
            Element::Array(count) | Element::Push(count) => count,
            Element::Map(pairs) => pairs.checked_mul(2)?,
            Element::Attribute(_) => return None,
            _ => 0,
        };
        let (depth, at) = (self.open.len(), self.open.last().map_or(0, |level| level.at));
        if let Some(level) = self.open.last_mut() {
            level.at += 1;
        }
        if count > 0 {
            self.open.push(Level { at: 0, count });
        }
        while self.open.pop_if(|level| level.at == level.count).is_some() {}
        (depth < DEEPEST).then_some(Place { depth, at, depth_after: self.open.len() })
    }

    /// Forgets an answer that will not be completed.
    pub(super) fn reset(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(elements: &[Element<'_>]) -> Vec<(usize, usize, usize)> {
        let mut cursor = Cursor::default();
        let place = |element| cursor.take(element).map(|place| (place.depth, place.at, place.depth_after));
        elements.iter().map(place).collect::<Option<_>>().expect("known elements")
    }

    #[test]
    fn each_element_has_a_depth_and_a_position() {
        let answer = [
            Element::Array(3),
            Element::Integer(1),
            Element::Array(1),
            Element::Null,
            Element::Array(0),
            Element::Null,
        ];
        assert_eq!(places(&answer), [(0, 0, 1), (1, 0, 1), (1, 1, 2), (2, 0, 1), (1, 2, 0), (0, 0, 0)]);
    }

    #[test]
    fn a_map_has_twice_as_many_elements_as_pairs() {
        let answer = [Element::Map(1), Element::Bytes(b"key"), Element::Array(1), Element::Bytes(b"value")];
        assert_eq!(places(&answer), [(0, 0, 1), (1, 0, 1), (1, 1, 2), (2, 0, 0)]);
        assert_eq!(places(&[Element::Map(0), Element::Push(1), Element::Null]), [(0, 0, 0), (0, 0, 1), (1, 0, 0)]);
    }

    #[test]
    fn arrays_are_not_nested_for_ever() {
        let mut cursor = Cursor::default();
        let taken = (0..100).take_while(|_| cursor.take(&Element::Array(1)).is_some()).count();
        assert_eq!(taken, DEEPEST);
        assert_eq!(Cursor::default().take(&Element::Attribute(1)), None);
        assert_eq!(Cursor::default().take(&Element::Map(usize::MAX)), None);
    }
}
