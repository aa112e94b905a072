"""Everything that people look at: charts, sheets of pictures, HTML, the page of a run."""
