package salesforce

import (
	"bytes"
	"io"
	"strings"
)

// secretPart is the part of a token that nobody may read: what stands behind the id
// of the org and "!", or all of it. The platform makes it of letters, digits and
// "._-", which no escaping changes.
func secretPart(token Secret) []byte {
	text := token.Reveal()
	if part := text[strings.LastIndex(text, "!")+1:]; len(part) >= 16 {
		return []byte(part)
	}
	return []byte(text)
}

// conceal takes a token out of what an org has sent, and may change it in place:
// the org may quote what it was sent, and anonymous Apex, formulas and flows can
// read the session's id. With it an agent would be free of every rule.
func conceal(text []byte, token Secret) []byte {
	if whole := []byte(token.Reveal()); len(whole) > 0 && bytes.Contains(text, whole) {
		text = bytes.ReplaceAll(text, whole, []byte(mask))
	}
	overwrite(text, secretPart(token))
	return text
}

// overwrite is for what must stay as long as it is.
func overwrite(text, secret []byte) {
	for len(secret) > 0 {
		i := bytes.Index(text, secret)
		if i < 0 {
			return
		}
		for k := range secret {
			text[i+k] = '*'
		}
		text = text[i+len(secret):]
	}
}

// concealing overwrites the secret in a body that is read in parts.
type concealing struct {
	from   io.Reader
	secret []byte
	buffer []byte // what was read; the first ready bytes are safe to hand on
	ready  int
	err    error // of the end
}

func newConcealing(from io.Reader, token Secret) *concealing {
	return &concealing{from: from, secret: secretPart(token)}
}

// Read implements io.Reader.
func (c *concealing) Read(p []byte) (int, error) {
	for c.ready == 0 {
		if c.err != nil {
			return 0, c.err
		}
		held := len(c.buffer)
		if c.buffer == nil {
			c.buffer = make([]byte, 0, max(32<<10, 2*len(c.secret)))
		}
		n, err := c.from.Read(c.buffer[held:cap(c.buffer)])
		c.buffer, c.err = c.buffer[:held+n], err
		overwrite(c.buffer, c.secret)
		if c.ready = len(c.buffer); err == nil {
			c.ready -= c.begun()
		}
	}
	n := copy(p, c.buffer[:c.ready])
	c.ready -= n
	rest := copy(c.buffer, c.buffer[n:])
	c.buffer = c.buffer[:rest]
	return n, nil
}

// begun is how many bytes at the end of the buffer may be the beginning of the
// secret.
func (c *concealing) begun() int {
	for n := min(len(c.secret)-1, len(c.buffer)); n > 0; n-- {
		if bytes.HasSuffix(c.buffer, c.secret[:n]) {
			return n
		}
	}
	return 0
}
