//! Who is next: first come, first served, each instance at most once in the queue and at most once at work.
//! News about an instance that is at work brings it back to the queue when that work is done.

use std::collections::{HashSet, VecDeque};

use control_api::ids::InstanceId;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<InstanceId>,
    at_work: HashSet<InstanceId>,
    again: HashSet<InstanceId>,
}

impl Queue {
    /// There is news about an instance.
    pub(super) fn push(&mut self, id: InstanceId) {
        if self.at_work.contains(&id) {
            self.again.insert(id);
        } else if !self.waiting.contains(&id) {
            self.waiting.push_back(id);
        }
    }

    /// Takes the next, while fewer than `limit` are at work.
    pub(super) fn take(&mut self, limit: usize) -> Option<InstanceId> {
        if self.at_work.len() >= limit {
            return None;
        }
        let id = self.waiting.pop_front()?;
        self.at_work.insert(id);
        Some(id)
    }

    /// The work is done for now.
    pub(super) fn release(&mut self, id: InstanceId) {
        self.at_work.remove(&id);
        if self.again.remove(&id) {
            self.push(id);
        }
    }

    /// How many are before it.
    pub(super) fn position(&self, id: InstanceId) -> Option<usize> {
        self.waiting.iter().position(|waiting| *waiting == id)
    }

    /// Whether it is being worked on.
    pub(super) fn is_at_work(&self, id: InstanceId) -> bool {
        self.at_work.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served_and_never_twice_at_once() {
        let (a, b, c) = (InstanceId::generate(), InstanceId::generate(), InstanceId::generate());
        let mut queue = Queue::default();
        for id in [a, b, a, c] {
            queue.push(id);
        }
        assert_eq!(queue.position(c), Some(2));
        assert_eq!(queue.take(2), Some(a));
        assert_eq!(queue.take(2), Some(b));
        assert_eq!(queue.take(2), None, "the limit holds");
        queue.push(a);
        assert_eq!(queue.position(a), None, "it is at work");
        queue.release(a);
        assert_eq!(queue.take(2), Some(c), "the news about a waits behind c");
        queue.release(b);
        assert_eq!(queue.take(2), Some(a));
        assert!(queue.is_at_work(a) && !queue.is_at_work(b));
    }
}
