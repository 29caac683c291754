"""Render the Jinja templates of the folder `templates/`; an undefined variable is an error, not an empty string."""

from functools import cache

import jinja2

from kernelsmith import paths


def render(template: str, **values: object) -> str:
    """Return the text of a template file, for example `brief.j2`, with `values` as its variables.

    Raises:
        jinja2.TemplateError: if the template does not exist, is malformed, or uses an undefined variable.
    """
    return _environment().get_template(template).render(values).strip() + "\n"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.templates_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # plain text for a model, no HTML
    )
