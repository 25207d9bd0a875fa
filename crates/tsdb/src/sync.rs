//! Locks that ignore poison.
//!
//! A thread that panicked under one of our locks left either a whole state or one that a check finds;
//! refusing every later request would turn one failed query into an outage.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) fn lock<T: ?Sized>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read<T: ?Sized>(it: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    it.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T: ?Sized>(it: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    it.write().unwrap_or_else(PoisonError::into_inner)
}
