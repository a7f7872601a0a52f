"""The addresses of the bookshop."""

from __future__ import annotations

from django.urls import path

from examples.bookshop import views

__all__ = ["urlpatterns"]

urlpatterns = [
    path("", views.home, name="home"),
    path("live/", views.live, name="live"),
    path("numbers.json", views.numbers, name="numbers"),
    path("books/<int:number>/", views.book, name="book"),
    path("stock/<int:number>/", views.stock, name="stock"),
    path("astock/<int:number>/", views.astock, name="astock"),
    path("shelves/<str:shelf>/", views.shelf, name="shelf"),
    path("recent/<int:number>/", views.recent, name="recent"),
]
