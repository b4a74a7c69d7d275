"""Routes of agencies, agents and seats, under /api/v1/."""

from django.urls import path

from seats.roster.api.views import (
    AgenciesView,
    AgentsView,
    CancelSeatView,
    HandOverSeatView,
    RemoveSeatView,
    ReopenSeatView,
    SeatsView,
    TransferSeatView,
)

urlpatterns = [
    path("agencies", AgenciesView.as_view()),
    path("agents", AgentsView.as_view()),
    path("seats", SeatsView.as_view()),
    path("seats/<uuid:public_id>/remove", RemoveSeatView.as_view()),
    path("seats/<uuid:public_id>/hand-over", HandOverSeatView.as_view()),
    path("seats/<uuid:public_id>/transfer", TransferSeatView.as_view()),
    path("seats/<uuid:public_id>/cancel", CancelSeatView.as_view()),
    path("seats/<uuid:public_id>/reopen", ReopenSeatView.as_view()),
]
