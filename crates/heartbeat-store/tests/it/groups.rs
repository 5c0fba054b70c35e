//! The list of cases, once for each database.

/// Makes a test of every case of a group for every database.
macro_rules! group {
    ($group:ident: $($case:ident),* $(,)?) => {
        mod $group {
            mod sqlite {
                $(
                    #[tokio::test]
                    async fn $case() {
                        let world = crate::world::World::sqlite().await;
                        crate::conformance::$group::$case(&world).await;
                        world.store.projects().await.unwrap();
                    }
                )*
            }
        }
    };
}

group! { fires:
    a_due_heartbeat_is_claimed_started_finished_and_claimed_again,
}
