//! What is shown of a room: one feed for each rendering, and a history.
//!
//! Invariants: a member follows the feed of its room and its rendering. A feed exists while it has members. An event is
//! rendered once for each feed, whatever the number of members, and not at all for a rendering without any.

use std::sync::Arc;
use std::time::SystemTime;

use crate::connection::feeds::FeedId;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::context::Context;

use super::Chat;
use super::crowd::Crowd;
use super::line;
use super::record::Record;
use super::rendering::Rendering;
use super::room::{Event, History, RoomId, Tally, What};

/// Those that are shown a room, and what they were shown.
#[derive(Debug)]
pub(super) struct Audience {
    /// By rendering.
    feeds: [Option<Followed>; Rendering::ALL.len()],
    /// The name of the room in the log. The first room has none.
    pub(super) log_name: Option<Arc<str>>,
    pub(super) crowd: Crowd,
    pub(super) history: Option<History>,
    /// The number of connections that have asked to enter the room.
    pub(super) entering: usize,
}

/// A feed with its members.
#[derive(Clone, Copy, Debug)]
struct Followed {
    feed: FeedId,
    members: usize,
}

impl Audience {
    /// Adds the member with this connection.
    pub(super) fn add(&mut self, token: Token, rendering: Rendering, cx: &mut Context<'_>) {
        let followed = &mut self.feeds[rendering as usize];
        let Followed { feed, members } =
            followed.get_or_insert_with(|| Followed { feed: cx.create_feed(), members: 0 });
        *members += 1;
        cx.follow_other(token, *feed);
    }

    /// Removes the member with this connection. A feed without members is removed, too.
    pub(super) fn remove(&mut self, token: Token, rendering: Rendering, cx: &mut Context<'_>) {
        cx.unfollow_other(token);
        let followed = &mut self.feeds[rendering as usize];
        if let Some(Followed { members, .. }) = followed {
            *members -= 1;
        }
        if let Some(Followed { feed, .. }) = followed.take_if(|followed| followed.members == 0) {
            cx.remove_feed(feed);
        }
    }

    /// Whether a member of this server is in the room, or has asked to enter it.
    pub(super) fn is_used(&self) -> bool {
        self.entering > 0 || self.feeds.iter().any(Option::is_some)
    }

    /// The feeds, each with its rendering.
    pub(super) fn feeds(&self) -> impl Iterator<Item = (Rendering, FeedId)> {
        let feeds = Rendering::ALL.iter().copied().zip(self.feeds);
        feeds.filter_map(|(rendering, followed)| Some((rendering, followed?.feed)))
    }
}

impl Chat {
    /// Shows an event to the members of a room, or to all others if a member has seen itself type it, and records it.
    pub(super) fn announce(&mut self, room: RoomId, event: &Event<'_>, cx: &mut Context<'_>) {
        self.show(room, event, cx);
        if let (Some(record), Some(audience)) = (&mut self.record, self.audiences.get(&room)) {
            record.log(event, audience.log_name.as_deref(), cx);
        }
    }

    pub(super) fn show(&mut self, room: RoomId, event: &Event<'_>, cx: &mut Context<'_>) {
        let Some(audience) = self.audiences.get_mut(&room) else { return };
        let stamp = self.record.as_ref().map_or_else(String::new, |record| record.stamp(event.at));
        let mut line = None;
        for (rendering, feed) in audience.feeds() {
            self.text.clear();
            rendering.render(event, &stamp, &mut self.text);
            if rendering == Rendering::Line {
                line = Some(self.text.len() - stamp.len());
            }
            match event.by {
                Some(author) if event.what.is_talk() && !rendering.shows_own_talk() => {
                    cx.publish_except(feed, author, &self.text);
                }
                _ => cx.publish(feed, &self.text),
            }
        }
        if let Some(history) = &mut audience.history {
            history.add(event, line.unwrap_or_else(|| line_length(event, &mut self.text)));
        }
    }

    /// Adds an event to the history of a room. The members have seen it elsewhere.
    #[cfg(feature = "bus")]
    pub(super) fn remember(&mut self, room: RoomId, event: &Event<'_>) {
        if let Some(history) = self.audiences.get_mut(&room).and_then(|audience| audience.history.as_mut()) {
            history.add(event, line_length(event, &mut self.text));
        }
    }

    /// Tells the members of a room something that is no event.
    #[cfg(feature = "bus")]
    pub(super) fn notify_room(&mut self, room: RoomId, text: &str, cx: &mut Context<'_>) {
        let Some(audience) = self.audiences.get(&room) else { return };
        for (rendering, feed) in audience.feeds() {
            let mut notice = Vec::new();
            rendering.append_answer(text, &[], &mut notice);
            cx.publish(feed, &notice);
        }
    }

    /// The time before a live line of an event.
    pub(super) fn stamp(&self, at: SystemTime) -> String {
        self.record.as_ref().map_or_else(String::new, |record| record.stamp(at))
    }

    /// Ends the second of the crowd that has this timer, if there is one.
    pub(super) fn end_crowd(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        let mut crowds = self.audiences.iter_mut().map(|(room, audience)| (*room, &mut audience.crowd));
        let ended = crowds.find_map(|(room, crowd)| Some((room, crowd.end_second(timer, cx)?)));
        if let Some((room, tally)) = ended {
            self.count_crowd(room, tally, cx);
        }
    }

    /// Ends all crowds, and says that the server stops.
    pub(super) fn stop(&mut self, cx: &mut Context<'_>) {
        self.is_stopping = true;
        let crowds = self.audiences.iter_mut().map(|(room, audience)| (*room, audience.crowd.stop(cx)));
        let tallies: Vec<_> = crowds.filter_map(|(room, tally)| Some((room, tally?))).collect();
        for (room, tally) in tallies {
            self.count_crowd(room, tally, cx);
        }
        self.happen_everywhere(What::Stop, cx);
        #[cfg(feature = "bus")]
        self.depart_if_empty();
    }

    pub(super) fn count_crowd(&mut self, room: RoomId, tally: Tally, cx: &mut Context<'_>) {
        let event = self.rooms.event(What::Crowd(Arc::new(tally)), None, cx.system_time());
        self.announce(room, &event, cx);
    }

    /// The audience of a room.
    pub(super) fn audience(&mut self, room: RoomId) -> &mut Audience {
        self.audiences.entry(room).or_insert_with(|| {
            let other = self.rooms.get(room).filter(|_| room != RoomId::FIRST);
            Audience {
                feeds: [None; Rendering::ALL.len()],
                log_name: other.map(|room| Arc::clone(&room.name)),
                crowd: Crowd::new(self.crowd),
                history: self.record.as_ref().map(Record::history),
                entering: 0,
            }
        })
    }

    /// Ends a room without members of this server, unless it is the first.
    pub(super) fn sweep(&mut self, room: RoomId, cx: &mut Context<'_>) {
        if room == RoomId::FIRST || self.audience(room).is_used() {
            return;
        }
        let tally = self.audience(room).crowd.stop(cx);
        if let Some(tally) = tally {
            // For the log.
            self.count_crowd(room, tally, cx);
        }
        self.audiences.remove(&room);
        #[cfg(feature = "bus")]
        self.unfollow(room);
        self.rooms.end(room);
    }
}

/// The length of the line of an event, in bytes. It is rendered to `text`.
fn line_length(event: &Event<'_>, text: &mut Vec<u8>) -> usize {
    text.clear();
    line::render(&event.what, text);
    text.len()
}
