"""Routes about the API itself."""

from threading import Lock

from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response


class SchemaView(SpectacularAPIView):
    """The description, written by one thread at a time.

    Its library finds its extensions while it writes, and two threads that do so at once
    trip over each other.
    """

    _one_at_a_time = Lock()

    def _get_schema_response(self, request: Request) -> Response:
        with self._one_at_a_time:
            answer: Response = super()._get_schema_response(request)  # type: ignore[no-untyped-call]
            return answer
