"""The OpenAPI description and its page: rendered once per process, sent as bytes."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from threading import Lock

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerView

from config.http import schema  # noqa: F401  registers its extension

RENDERERS = {"yaml": OpenApiYamlRenderer, "json": OpenApiJsonRenderer}
MAX_AGE = 300  # seconds
# The library finds its extensions while it writes; two threads trip over each other.
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Content:
    """A response body that is the same for all callers until the next release."""

    body: bytes
    media_type: str

    @property
    def etag(self) -> str:
        return f'"{sha256(self.body).hexdigest()[:32]}"'

    def answer(self, request: HttpRequest) -> HttpResponseBase:
        """A response with the body, or 304 if the client has it."""
        response = HttpResponse(self.body, self.media_type, headers={"ETag": self.etag})
        patch_cache_control(response, public=True, max_age=MAX_AGE)
        cached = get_conditional_response(request, etag=self.etag, response=response)
        return cached or response


@require_safe
def schema_view(request: HttpRequest) -> HttpResponseBase:
    """The description as YAML, or as JSON if `format` or `Accept` asks for it."""
    accepted = "json" if "json" in request.headers.get("Accept", "") else "yaml"
    wanted = request.GET.get("format", accepted)
    contents = prepare()
    response = contents.get(wanted, contents["yaml"]).answer(request)
    response["Vary"] = "Accept"
    return response


@require_safe
def docs_view(request: HttpRequest) -> HttpResponseBase:
    """The page that shows the description."""
    return prepare()["page"].answer(request)


def prepare() -> dict[str, Content]:
    """Render everything that these views send, once. Repeating costs nothing."""
    with _one_at_a_time:
        return _contents()


@cache
def _contents() -> dict[str, Content]:
    description = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    contents = {
        name: Content(
            _bytes(kind().render(description, renderer_context={})), kind.media_type
        )
        for name, kind in RENDERERS.items()
    }
    nobody = HttpRequest()
    nobody.method = "GET"
    view = SpectacularSwaggerView.as_view(url="../schema/", throttle_classes=[])
    page = view(nobody).render()
    return contents | {"page": Content(_bytes(page.content), page["Content-Type"])}


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
