"""The sweep file: its tables, axes and settings, read and checked."""
