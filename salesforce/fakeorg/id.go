package fakeorg

import (
	"fmt"
	"strings"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newID returns the next id of an object. The caller writes, so that it alone counts.
func (o *Org) newID(object *Object) string {
	o.numbers[object.Name]++
	return makeID(object.Prefix, o.numbers[object.Name])
}

// makeID makes the id with a number: the key prefix, three characters for the instance, and the number in base 62.
func makeID(prefix string, number int64) string {
	digits := []byte("000000000")
	for i := len(digits) - 1; i >= 0 && number > 0; i-- {
		digits[i] = base62[number%62]
		number /= 62
	}
	return withChecksum(prefix + "Sm0" + string(digits))
}

// withChecksum appends the three characters that tell upper from lower case letters in the first 15.
func withChecksum(id string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	for block := range 3 {
		bits := 0
		for i := range 5 {
			if c := id[block*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		id += alphabet[bits : bits+1]
	}
	return id
}

// parseID gives the 18 character form of an id. An id of 18 characters whose last three do not fit is not valid.
func parseID(text string) (id string, valid bool) {
	if len(text) != 15 && len(text) != 18 || strings.Trim(text, base62) != "" {
		return "", false
	}
	id = withChecksum(text[:15])
	return id, len(text) == 15 || id == text
}

// looksLikeID reports whether a text has the form of an id, whatever its checksum.
func looksLikeID(text string) bool {
	return (len(text) == 15 || len(text) == 18) && strings.Trim(text, base62) == ""
}

// nextNumber fills the pattern of an auto number field: RO-{0000} becomes RO-0001.
func (o *Org) nextNumber(object *Object, f *Field) string {
	key := object.Name + "." + f.Name
	if _, begun := o.numbers[key]; !begun {
		o.numbers[key] = int64(f.Start) - 1
	}
	o.numbers[key]++
	before, rest, _ := strings.Cut(f.Auto, "{")
	zeros, after, _ := strings.Cut(rest, "}")
	return fmt.Sprintf("%s%0*d%s", before, len(zeros), o.numbers[key], after)
}
