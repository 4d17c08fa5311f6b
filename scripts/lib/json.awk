# Flattens JSON to lines of `path<TAB>value`, such as `instances.0.slug<TAB>alice`. Strings are decoded; a tab,
# newline or other control character in one becomes a space, so that a line stays a line. POSIX awk (mawk too).
# Malformed input: a message on stderr and exit code 2, after what was read so far.
#
# Reads all input first, then walks it with one index; `error` unwinds every level.

{ text = text $0 "\n" }

END {
  position = 1
  length_of_text = length(text)
  for (code = 0; code < 128; code++) hex_digit[sprintf("%X", code)] = hex_digit[sprintf("%x", code)] = code
  value("")
  blanks()
  if (!error && position <= length_of_text) fail("text after the end")
  if (error) exit 2
}

function fail(message) {
  if (!error) print "json.awk: " message " at character " position > "/dev/stderr"
  error = 1
}

function blanks() {
  while (position <= length_of_text && index(" \t\r\n", substr(text, position, 1))) position++
}

function value(path,    first, rest) {
  blanks()
  if (error) return
  first = substr(text, position, 1)
  if (first == "{") object(path)
  else if (first == "[") array(path)
  else if (first == "\"") print path "\t" string()
  else if (match(rest = substr(text, position, 40), /^(true|false|null|-?[0-9][0-9.eE+-]*)/)) {
    print path "\t" substr(rest, 1, RLENGTH)
    position += RLENGTH
  } else fail("no value")
}

function below(path, name) { return path == "" ? name : path "." name }

function object(path,    name) {
  position++
  blanks()
  if (substr(text, position, 1) == "}") { position++; return }
  while (!error) {
    blanks()
    if (substr(text, position, 1) != "\"") { fail("no name"); return }
    name = string()
    blanks()
    if (substr(text, position, 1) != ":") { fail("no colon"); return }
    position++
    value(below(path, name))
    if (!separator("}")) return
  }
}

function array(path,    count) {
  position++
  blanks()
  if (substr(text, position, 1) == "]") { position++; return }
  for (count = 0; !error; count++) {
    value(below(path, count))
    if (!separator("]")) return
  }
}

# True after a comma; false after the closing character or an error.
function separator(closing,    found) {
  blanks()
  found = substr(text, position, 1)
  position++
  if (found == ",") return 1
  if (found != closing) fail("no comma and no " closing)
  return 0
}

function string(    out, piece, escape) {
  out = ""
  position++
  while (position <= length_of_text) {
    # The longest run without an escape at once: character by character would be slow.
    if (match(substr(text, position), /^[^"\\]+/)) {
      piece = substr(text, position, RLENGTH)
      position += RLENGTH
      gsub(/[\001-\037]/, " ", piece)
      out = out piece
    }
    if (substr(text, position, 1) == "\"") { position++; return out }
    escape = substr(text, position + 1, 1)
    position += 2
    if (escape == "u") out = out unicode()
    else if (index("bfnrt", escape)) out = out " "
    else if (index("\"\\/", escape)) out = out escape
    else fail("unknown escape")
    if (error) return out
  }
  fail("string without an end")
  return out
}

function four_digits(    digits) {
  digits = substr(text, position, 4)
  if (digits !~ /^[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]$/) { fail("bad \\u escape"); return 0 }
  position += 4
  return ((hex_digit[substr(digits, 1, 1)] * 16 + hex_digit[substr(digits, 2, 1)]) * 16 \
    + hex_digit[substr(digits, 3, 1)]) * 16 + hex_digit[substr(digits, 4, 1)]
}

# One code point as UTF-8 bytes, a surrogate pair put together.
function unicode(    code, low) {
  code = four_digits()
  if (code >= 55296 && code <= 56319 && substr(text, position, 2) == "\\u") {
    position += 2
    low = four_digits()
    code = 65536 + (code - 55296) * 1024 + (low - 56320)
  }
  if (code < 32) return " "
  if (code < 128) return sprintf("%c", code)
  if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
  if (code < 65536)
    return sprintf("%c%c%c", 224 + int(code / 4096), 128 + int(code / 64) % 64, 128 + code % 64)
  return sprintf("%c%c%c%c", 240 + int(code / 262144), 128 + int(code / 4096) % 64, \
    128 + int(code / 64) % 64, 128 + code % 64)
}
