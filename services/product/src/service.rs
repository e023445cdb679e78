//! Between the wire and the catalogue.

use proto::product::v1::product_server::Product as Wire;
use proto::product::v1::{GetProductRequest, GetProductResponse};
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::product::{Product, ProductId};
use crate::store::Store;

/// `product.v1.Product` over a store.
#[derive(Debug)]
pub struct ProductService<S> {
    store: S,
}

impl<S: Store> ProductService<S> {
    /// Serves what is in the store.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    async fn product(&self, request: GetProductRequest) -> Result<Product, Error> {
        let id = ProductId::parse("product_id", request.product_id)
            .map_err(|violation| Error::Invalid(vec![violation]))?;
        self.store
            .product(id)
            .await?
            .ok_or(Error::NotFound(id.get()))
    }
}

#[tonic::async_trait]
impl<S: Store> Wire for ProductService<S> {
    async fn get(
        &self,
        request: Request<GetProductRequest>,
    ) -> Result<Response<GetProductResponse>, Status> {
        let product = self.product(request.into_inner()).await?;
        Ok(Response::new(product.into()))
    }
}

impl From<Product> for GetProductResponse {
    fn from(product: Product) -> Self {
        Self {
            product_id: product.id.get(),
            title: product.title,
            price: Some(product.price.into()),
        }
    }
}
