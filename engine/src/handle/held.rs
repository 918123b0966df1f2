//! Requests that the engine has taken out of the queue without having room for them: to look for
//! those that are cancelled or overdue, which a queue does not allow. Owned by `keeper`; empty
//! unless the engine is full. They stay before those in the queue, and take its room.

use super::queue::Queue;
use crate::callback::Order;
use std::collections::VecDeque;

/// The requests, in the order in which they came.
#[derive(Debug)]
pub(super) struct Held {
    orders: VecDeque<Order>,
    /// No deadline is before this.
    deadline_ns: u64,
    /// Whether the first was found to have no room in the engine: it is the next one, and takes no
    /// room of the queue.
    blocked: bool,
}

impl Held {
    pub(super) fn new() -> Self {
        Self { orders: VecDeque::new(), deadline_ns: u64::MAX, blocked: false }
    }

    /// Takes everything out of the queue.
    pub(super) fn fill(&mut self, queue: &Queue) {
        let count = queue.len();
        // First, so that the room which this makes is not taken for free.
        queue.set_held(self.counted() + count);
        for _ in 0..count {
            let Some(order) = queue.pop() else { break };
            self.deadline_ns = self.deadline_ns.min(order.tag.deadline_ns);
            self.orders.push_back(order);
        }
        queue.set_held(self.counted());
    }

    /// Puts the request back that came first: there is no room for it.
    #[cold]
    pub(super) fn put_back(&mut self, order: Order, queue: &Queue) {
        self.deadline_ns = self.deadline_ns.min(order.tag.deadline_ns);
        self.orders.push_front(order);
        self.blocked = true;
        queue.set_held(self.counted());
    }

    /// The request that came first.
    #[inline]
    pub(super) fn pop(&mut self, queue: &Queue) -> Option<Order> {
        if self.orders.is_empty() {
            return None;
        }
        let order = self.orders.pop_front();
        self.blocked = false;
        queue.set_held(self.counted());
        if self.orders.is_empty() {
            *self = Self::new();
        }
        order
    }

    /// Whether the first has to wait for a completion.
    #[inline]
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// How many take room of the queue.
    fn counted(&self) -> usize {
        self.orders.len() - usize::from(self.blocked)
    }

    /// A moment before which no deadline passes.
    #[inline]
    pub(super) fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }

    /// Takes out the requests with these tickets, which are sorted.
    pub(super) fn take_cancelled(&mut self, tickets: &[u64], queue: &Queue) -> Vec<Order> {
        self.take(queue, |order| tickets.binary_search(&order.tag.ticket).is_ok())
    }

    /// Takes out the requests whose deadline has passed.
    pub(super) fn take_overdue(&mut self, now_ns: u64, queue: &Queue) -> Vec<Order> {
        self.take(queue, |order| order.tag.deadline_ns <= now_ns)
    }

    /// Takes out all of them.
    pub(super) fn take_all(&mut self, queue: &Queue) -> Vec<Order> {
        self.take(queue, |_| true)
    }

    fn take(&mut self, queue: &Queue, mut take: impl FnMut(&Order) -> bool) -> Vec<Order> {
        let mut taken = Vec::new();
        let mut left = Self::new();
        for (index, order) in self.orders.drain(..).enumerate() {
            if take(&order) {
                taken.push(order);
            } else {
                left.blocked |= index == 0 && self.blocked;
                left.deadline_ns = left.deadline_ns.min(order.tag.deadline_ns);
                left.orders.push_back(order);
            }
        }
        *self = left;
        queue.set_held(self.counted());
        taken
    }
}
