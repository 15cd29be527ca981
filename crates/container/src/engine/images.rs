//! Images.

use std::collections::BTreeMap;

use bollard::body_full;
use bollard::models::{CreateImageInfo, ErrorDetail};
use bollard::query_parameters::{BuildImageOptions, CreateImageOptions, RemoveImageOptions};
use futures_util::{Stream, StreamExt, TryStreamExt};

use crate::engine::error::translate;
use crate::{Engine, Progress, Result, RuntimeError};

/// How much of a layer's work is getting it; the rest is unpacking it.
const DOWNLOAD_SHARE: f64 = 0.7;

impl Engine {
    /// Makes an image of one layer from a tar archive. The changes are lines of a Dockerfile, such as `CMD ["sh"]`.
    pub async fn import_image(&self, image: &str, tar: Vec<u8>, changes: &[&str]) -> Result<()> {
        // Podman takes no notice of a tag that is apart from the name.
        let options = CreateImageOptions {
            from_src: Some("-".into()),
            repo: Some(checked(image)?.into()),
            changes: changes.iter().map(|change| (*change).into()).collect(),
            ..CreateImageOptions::default()
        };
        let docker = self.docker().await?;
        let news = docker.create_image(Some(options), Some(body_full(tar.into())), None);
        self.follow(image, news, &mut |_| {}).await
    }

    /// Builds an image from a folder with a Dockerfile in it, packed as a tar archive. `Image` with what the engine complains about.
    pub async fn build_image(&self, image: &str, context: Vec<u8>) -> Result<()> {
        let options =
            BuildImageOptions { t: Some(image.into()), rm: true, forcerm: true, ..BuildImageOptions::default() };
        let docker = self.docker().await?;
        let news = docker.build_image(options, None, Some(body_full(context.into()))).map_ok(|info| {
            if let Some(line) = info.stream.as_deref().map(str::trim_end).filter(|line| !line.is_empty()) {
                tracing::info!("{line}");
            }
            CreateImageInfo { error_detail: info.error_detail, ..CreateImageInfo::default() }
        });
        self.follow(image, news.boxed(), &mut |_| {}).await
    }

    /// Removes an image. `Conflict` while a container uses it.
    pub async fn remove_image(&self, image: &str) -> Result<()> {
        let removed = self.docker().await?.remove_image(checked(image)?, None::<RemoveImageOptions>, None).await;
        removed.map(drop).map_err(|error| self.error(error))
    }

    pub(super) async fn is_here(&self, image: &str) -> Result<bool> {
        match self.docker().await?.inspect_image(checked(image)?).await.map_err(|error| self.error(error)) {
            Ok(_) => Ok(true),
            Err(RuntimeError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn pull(&self, image: &str, progress: Progress<'_>) -> Result<()> {
        checked(image)?;
        let (from_image, tag) = split(image);
        let options = CreateImageOptions {
            from_image: Some(from_image.into()),
            tag: Some(tag.into()),
            ..CreateImageOptions::default()
        };
        let docker = self.docker().await?;
        self.follow(image, docker.create_image(Some(options), None, None), progress).await
    }

    /// Listens to the engine's news about an image until it is here.
    async fn follow(
        &self,
        image: &str,
        mut news: impl Stream<Item = Result<CreateImageInfo, bollard::errors::Error>> + Unpin,
        progress: Progress<'_>,
    ) -> Result<()> {
        let mut layers = Layers::default();
        while let Some(item) = news.next().await {
            match item {
                Ok(CreateImageInfo { error_detail: Some(ErrorDetail { message, .. }), .. }) => {
                    return Err(RuntimeError::Image { image: image.into(), message: message.unwrap_or_default() });
                }
                Ok(info) => progress(layers.percent(&info)),
                Err(error) => {
                    return Err(match translate(error) {
                        error @ RuntimeError::NoEngine { .. } => error,
                        error => RuntimeError::Image { image: image.into(), message: error.to_string() },
                    });
                }
            }
        }
        progress(100);
        Ok(())
    }
}

/// An image's name that can be part of a request's path.
fn checked(image: &str) -> Result<&str> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/' | b':' | b'@');
    let is_path = image.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if is_path && image.bytes().all(is_fine) {
        return Ok(image);
    }
    Err(RuntimeError::Image { image: image.into(), message: "invalid reference format".into() })
}

/// A name and its tag or digest; without one, `latest`.
fn split(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        // `registry:5000/image` has a port, not a tag.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

/// How far each layer is, from 0 to 1, and the most that was told.
#[derive(Default)]
struct Layers {
    shares: BTreeMap<String, f64>,
    told: u8,
}

impl Layers {
    /// How far the pull is. A layer that appears late does not turn it back.
    fn percent(&mut self, info: &CreateImageInfo) -> u8 {
        let (Some(layer), Some(status)) = (&info.id, &info.status) else { return self.told };
        let detail = info.progress_detail.as_ref();
        let part =
            detail.and_then(|detail| Some(detail.current? as f64 / detail.total.filter(|total| *total > 0)? as f64));
        let part = part.unwrap_or_default().clamp(0.0, 1.0);
        let share = match status.as_str() {
            "Pulling fs layer" | "Waiting" => 0.0,
            "Downloading" => part * DOWNLOAD_SHARE,
            "Verifying Checksum" | "Download complete" => DOWNLOAD_SHARE,
            "Extracting" => DOWNLOAD_SHARE + part * (1.0 - DOWNLOAD_SHARE),
            "Pull complete" | "Already exists" => 1.0,
            _ => return self.told,
        };
        self.shares.insert(layer.clone(), share);
        let average = self.shares.values().sum::<f64>() / self.shares.len() as f64;
        self.told = self.told.max((average * 99.0) as u8);
        self.told
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn names_have_tags() {
        assert_eq!(split("alpine"), ("alpine", "latest"));
        assert_eq!(split("alpine:3.20.3"), ("alpine", "3.20.3"));
        assert_eq!(split("registry:5000/a/b"), ("registry:5000/a/b", "latest"));
        assert_eq!(split("registry:5000/a/b:1"), ("registry:5000/a/b", "1"));
        assert_eq!(split("a@sha256:0123"), ("a", "sha256:0123"));
        for nonsense in ["", "a b", "../a", "/a", "a//b", "a?x"] {
            assert!(checked(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn progress_never_goes_back() {
        let mut layers = Layers::default();
        let mut percent = |layer: &str, status: &str, current, total| {
            let progress_detail = Some(ProgressDetail { current: Some(current), total: Some(total) });
            let (id, status) = (Some(layer.to_owned()), Some(status.to_owned()));
            layers.percent(&CreateImageInfo { id, status, progress_detail, ..CreateImageInfo::default() })
        };
        assert_eq!(percent("a", "Pulling fs layer", 0, 0), 0);
        assert_eq!(percent("a", "Downloading", 50, 100), 34);
        assert_eq!(percent("b", "Pulling fs layer", 0, 0), 34);
        assert_eq!(percent("a", "Pull complete", 0, 0), 49);
        assert_eq!(percent("latest", "Pulling from library/a", 0, 0), 49);
        assert_eq!(percent("b", "Extracting", 100, 100), 99);
    }
}
