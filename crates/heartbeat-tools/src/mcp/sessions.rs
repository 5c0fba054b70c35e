//! Which connections are open, and the bounds on them: one for each server and its settings, kept for
//! the next call, and at most so many processes.
//!
//! Lock order: the map, then a place. A place is locked while its server is connected to, so that
//! calls that come together share one connection; the map is not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::session::Session;
use super::trace::Problem;

/// After how long without a call a connection over HTTP is closed, once room is looked for.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// How many connections over HTTP are kept before room is looked for.
const KEPT_MAX: usize = 256;

/// A server with everything that its connection depends on, as a hash.
pub(super) type Key = [u8; 32];

#[derive(Default)]
struct Place {
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
}

/// The open connections.
pub(super) struct Sessions {
    places: Mutex<HashMap<Key, Arc<Place>>>,
    processes: Arc<Semaphore>,
    processes_max: usize,
    /// Told whenever a call ends, for those who wait for a process.
    ended: Arc<Notify>,
}

/// A connection in use. Dropping it ends the use, not the connection.
pub(super) struct Lease {
    session: Arc<Session>,
    ended: Arc<Notify>,
}

impl std::ops::Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.session.end();
        self.ended.notify_waiters();
    }
}

impl Sessions {
    pub(super) fn new(processes_max: usize) -> Self {
        Self {
            places: Mutex::default(),
            processes: Arc::new(Semaphore::new(processes_max)),
            processes_max,
            ended: Arc::default(),
        }
    }

    /// The connection of that key, made by `connect` if there is none that works.
    pub(super) async fn lease<C>(&self, key: Key, connect: C) -> Result<Lease, Problem>
    where
        C: AsyncFnOnce() -> Result<Session, Problem>,
    {
        let place = self.place(key);
        let mut session = place.session.lock().await;
        let usable = match session.take() {
            Some(open) if open.works().await => open,
            former => {
                drop(former);
                Arc::new(connect().await?)
            }
        };
        usable.begin();
        *session = Some(Arc::clone(&usable));
        Ok(Lease {
            session: usable,
            ended: Arc::clone(&self.ended),
        })
    }

    /// A place for one more process: a free one, or that of the process that was idle for longest.
    /// Waits while all of them are at work.
    pub(super) async fn place_for_a_process(&self) -> OwnedSemaphorePermit {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if let Ok(permit) = Arc::clone(&self.processes).try_acquire_owned() {
                return permit;
            }
            if self.drop_one(Session::is_process) {
                continue;
            }
            tokio::select! {
                permit = Arc::clone(&self.processes).acquire_owned() => {
                    return permit.expect("the semaphore is never closed");
                }
                () = ended => {}
            }
        }
    }

    /// How many processes may live at once.
    pub(super) fn processes_max(&self) -> usize {
        self.processes_max
    }

    /// Closes all of them; processes have ended when this returns.
    pub(super) async fn close(&self) {
        let places: Vec<Arc<Place>> = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.drain().map(|(_, place)| place).collect()
        };
        let closing = places.iter().map(|place| async move {
            let session = place.session.lock().await.take();
            if let Some(session) = session.and_then(Arc::into_inner) {
                session.close().await;
            }
        });
        futures::future::join_all(closing).await;
    }

    fn place(&self, key: Key) -> Arc<Place> {
        {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = places.get(&key) {
                return Arc::clone(place);
            }
            if places.len() < KEPT_MAX {
                drop(places);
                return self.insert(key);
            }
        }
        let old = |session: &Session| !session.is_process() && session.idle_for() > IDLE_MAX;
        while self.drop_one(old) {}
        self.drop_one(|session| !session.is_process());
        self.insert(key)
    }

    fn insert(&self, key: Key) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(key).or_default())
    }

    /// Drops the connection that was idle for longest among those meant, and with it its process.
    fn drop_one(&self, is_meant: impl Fn(&Session) -> bool) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let idle_for = |place: &Arc<Place>| {
            let session = place.session.try_lock().ok()?;
            let session = session.as_ref()?;
            let is_free = session.is_idle() && is_meant(session);
            is_free.then(|| (session.is_over(), session.idle_for()))
        };
        let longest = places
            .iter()
            .filter_map(|(key, place)| Some((*key, idle_for(place)?)))
            .max_by_key(|&(_, idle)| idle)
            .map(|(key, _)| key);
        let Some(place) = longest.and_then(|key| places.remove(&key)) else {
            return false;
        };
        // Somebody may have taken the place up in between; then its connection stays with them.
        let Ok(mut session) = place.session.try_lock() else {
            return true;
        };
        if session.as_ref().is_some_and(|session| session.is_idle()) {
            session.take();
        }
        true
    }
}
