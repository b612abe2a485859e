package allowlist

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Networks are blocks of addresses, such as 10.0.0.0/8 or 2001:db8::/32, and
// single addresses. The zero value contains nothing.
type Networks []string

// Contain reports whether one of the networks contains the address. An IPv4
// address that is written as an IPv6 one is that IPv4 address.
func (n Networks) Contain(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, text := range n {
		if block, err := parseNetwork(text); err == nil && block.Contains(addr) {
			return true
		}
	}
	return false
}

// Validate returns every problem, each with the field's name, the place in the
// list and the value.
func (n Networks) Validate(field string) error {
	var problems []error
	for i, text := range n {
		block, err := parseNetwork(text)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s[%d]: %q is no network; write it as in 10.0.0.0/8, or a single address", field, i, text))
		case block.Addr().Is4In6():
			problems = append(problems, fmt.Errorf("%s[%d]: %q must be written as an IPv4 network", field, i, text))
		case block.Bits() == 0:
			problems = append(problems, fmt.Errorf("%s[%d]: %q is everybody; name the addresses of your proxies", field, i, text))
		}
	}
	return errors.Join(problems...)
}

func parseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		block, err := netip.ParsePrefix(text)
		return block.Masked(), err
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return addr.Unmap().Prefix(addr.Unmap().BitLen())
}
