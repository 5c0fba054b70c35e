//! Most tests run beside one another; one that is judged by how much gets done runs alone.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::new(());

/// The machine, as long as it is held.
pub(crate) enum Turn {
    Beside {
        _others: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _nobody: RwLockWriteGuard<'static, ()>,
    },
}

thread_local! {
    /// A test that has a turn waits for no other.
    static OWN: RefCell<Weak<Turn>> = RefCell::default();
}

/// A turn beside others.
pub(crate) fn beside_others() -> Rc<Turn> {
    OWN.with_borrow(Weak::upgrade).unwrap_or_else(|| {
        let others = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        keep(Turn::Beside { _others: others })
    })
}

/// A turn alone.
pub(crate) fn alone() -> Rc<Turn> {
    let nobody = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    keep(Turn::Alone { _nobody: nobody })
}

fn keep(turn: Turn) -> Rc<Turn> {
    let turn = Rc::new(turn);
    OWN.set(Rc::downgrade(&turn));
    turn
}
