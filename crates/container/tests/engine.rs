//! The runtime against a real engine. Without one these tests say so and pass, except in CI, which has to have one.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "engine/relay.rs"]
mod relay;
#[path = "engine/support.rs"]
mod support;
#[path = "engine/with_engine/mod.rs"]
mod with_engine;

use vimsim_container::{ContainerRuntime, Engine, EngineAddress, RuntimeError};

#[tokio::test]
async fn without_an_engine_it_says_what_is_missing() {
    let engine = Engine::at(vec![
        EngineAddress::Unix("/nonexistent/docker.sock".into()),
        EngineAddress::Tcp("127.0.0.1:1".into()),
        EngineAddress::Unsupported("ssh://me@engine".into()),
    ]);
    let error = engine.version().await.unwrap_err();
    assert!(matches!(error, RuntimeError::NoEngine { .. }), "{error}");
    let message = error.to_string();
    for part in ["unix:///nonexistent/docker.sock: ", "tcp://127.0.0.1:1: ", "ssh://me@engine: only unix:// and tcp://"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert!(message.contains("apt install docker.io"), "{message}");
}
