package fakeorg

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertionLife is how far in the future an assertion may expire; sources say three to five minutes.
const assertionLife = 5 * time.Minute

// jwtBearer gives a token for the user an assertion names.
func (c *call) jwtBearer() (*answer, error) {
	claims, client, err := c.assertion(c.PostFormValue("assertion"))
	if err != nil {
		return nil, err
	}
	subject, _ := claims.GetSubject()
	u, err := c.org.findUser(c.Context(), c.db, subject)
	switch {
	case errors.Is(err, errInactive):
		return nil, errInactive
	case err != nil || client.PermittedUsers == SelfAuthorize && !c.org.approved(u, client, nil):
		return nil, oauthError("invalid_grant", "user hasn't approved this consumer")
	}
	if err := client.admits(u); err != nil {
		return nil, err
	}
	answer, err := c.tokenAnswer(u, client)
	if err != nil {
		return nil, err
	}
	return ok(answer)
}

// assertedClient returns the client that authenticates itself by an assertion (private_key_jwt, RFC 7523 §2.2) instead
// of a secret.
func (c *call) assertedClient() (*Client, error) {
	claims, client, err := c.assertion(c.PostFormValue("client_assertion"))
	if err != nil {
		return nil, secretWrong
	}
	subject, _ := claims.GetSubject()
	key := c.PostFormValue("client_id")
	if c.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" ||
		subject != client.Key || key != "" && key != client.Key {
		return nil, secretWrong
	}
	return client, nil
}

// assertion reads a JWT that a client has signed for this org.
func (c *call) assertion(text string) (jwt.MapClaims, *Client, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation()).ParseWithClaims(
		text, claims, func(*jwt.Token) (any, error) {
			client := c.issuer(claims)
			if client == nil || client.PublicKey == nil {
				return nil, errors.New("the issuer is no client with a certificate")
			}
			return client.PublicKey, nil
		})
	client := c.issuer(claims)
	switch {
	case client == nil && claims["iss"] != nil:
		return nil, nil, unknownClient
	case err != nil:
		return nil, nil, oauthError("invalid_grant", "invalid assertion")
	case !c.audienceFits(claims):
		return nil, nil, oauthError("invalid_grant", "Audience validation failed")
	case !c.expiryFits(claims):
		return nil, nil, oauthError("invalid_grant", "expired authorization code")
	}
	return claims, client, nil
}

// issuer is the client that says it has made an assertion.
func (c *call) issuer(claims jwt.MapClaims) *Client {
	key, err := claims.GetIssuer()
	if err != nil {
		return nil
	}
	return c.org.client(key)
}

// audienceFits accepts the login hosts and the org's own address.
func (c *call) audienceFits(claims jwt.MapClaims) bool {
	audience, err := claims.GetAudience()
	return err == nil && slices.ContainsFunc(audience, func(a string) bool {
		a = strings.TrimSuffix(a, "/")
		return a == "https://login.salesforce.com" || a == "https://test.salesforce.com" || a == c.base() || a == c.base()+"/services/oauth2/token"
	})
}

// expiryFits wants an expiry in the future, but not far. The official command line sends milliseconds, and the
// platform lets it: a number as large as that is not looked at.
func (c *call) expiryFits(claims jwt.MapClaims) bool {
	expiry, err := strconv.ParseFloat(fmt.Sprint(claims["exp"]), 64) // some clients send a string
	switch {
	case err != nil:
		return false
	case expiry > 1e11:
		return true
	}
	left := time.Unix(int64(expiry), 0).Sub(c.org.options.Clock())
	return left > 0 && left <= assertionLife+30*time.Second
}
