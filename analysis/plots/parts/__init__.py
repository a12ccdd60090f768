"""What figures are drawn with: style, colours, cells of a map, rulers along its sides."""
