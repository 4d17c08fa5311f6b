# Prints tab-separated lines as a table: each column as wide as its widest cell, the last one as it is.
# Called with -F '\t'. The first line is the head.

{
  for (i = 1; i <= NF; i++) {
    cell[NR, i] = $i
    if (length($i) > width[i]) width[i] = length($i)
  }
  if (NF > columns) columns = NF
}

END {
  for (row = 1; row <= NR; row++) {
    line = ""
    for (i = 1; i < columns; i++) line = line sprintf("%-" width[i] "s  ", cell[row, i])
    line = line cell[row, columns]
    sub(/ +$/, "", line)
    print line
  }
}
