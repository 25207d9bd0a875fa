//! Reads of the storage that are no queries: lists of series, of label names and values.

use storage::{Guard, ReadError};

use crate::account::Charge;
use crate::context::Context;
use crate::{Hold, QueryError};

/// A read under the limits of queries: what it collects is charged to an account, and it ends when it is given up or
/// out of time. Made by [`Engine::look_up`](crate::Engine::look_up).
pub struct Lookup {
    context: Context,
    charge: Charge,
}

impl Lookup {
    pub(crate) fn new(context: Context) -> Self {
        let charge = context.charge();
        Self { context, charge }
    }

    /// What the storage asks whether to go on.
    pub fn guard(&self) -> Guard {
        self.context.guard()
    }

    /// Charges bytes that are kept until the lookup, or its [`Hold`], is dropped.
    ///
    /// # Errors
    /// [`ReadError::Interrupted`], if they are too many or the lookup has to end.
    pub fn keep(&mut self, bytes: usize) -> Result<(), ReadError> {
        let kept = self.context.check().and_then(|()| self.charge.add(bytes as u64, 0));
        kept.map_err(|_| ReadError::Interrupted)
    }

    /// Why a read failed; if it was told not to go on, why it was.
    pub fn error(&self, error: ReadError) -> QueryError {
        self.context.storage_error(error)
    }

    /// Keeps what was charged charged until the answer is sent.
    pub fn into_hold(self) -> Hold {
        Hold::new(self.charge)
    }
}
