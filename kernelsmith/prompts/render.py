"""Render a template of templates/; an undefined variable is an error, never an empty place in a prompt."""

from functools import cache

import jinja2

from kernelsmith import paths


def render(template: str, **values: object) -> str:
    """Return the text of one template, such as `brief.j2`. Raises jinja2.TemplateError: the template is wrong."""
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
