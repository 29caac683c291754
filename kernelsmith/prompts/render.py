"""Render the Jinja2 templates of the folder `templates/`. An undefined variable raises an error and does not become an
empty string.
"""

from functools import cache

import jinja2

from kernelsmith import paths


def render(template: str, **values: object) -> str:
    """Return the text that the template file named `template`, for example `brief.j2`, gives with `values` as its
    variables by name; it ends with one newline. Raises jinja2.TemplateError if the file does not exist, is malformed,
    or uses a variable that `values` lacks.
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
