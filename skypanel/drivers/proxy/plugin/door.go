// Package door passes requests on from Traefik to whoever answers them: as they were sent, with the headers that Heroku adds.
//
// Traefik interprets it (https://doc.traefik.io/traefik/extend/extend-traefik/), by Yaegi. That knows all of Go but this: a
// value of a type of ours has to be an interface before a struct of the standard library takes it.
package door

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// Servers close connections on which nothing happens; the shortest that is common is 2 s. Whoever closes first cannot be
	// asked on a connection that is about to end.
	idleTime = 500 * time.Millisecond
	dialTime = 3 * time.Second
	pageTime = 2 * time.Second
	// The body of a request up to this size is kept, so that it can be sent again if nothing of it was sent.
	keptBytes = 64 * 1024
	ownPaths  = "/.well-known/skypanel/"
	lastWord  = "<!doctype html><title>Not available</title><h1>Not available</h1>" +
		"<p>What is asked for cannot be reached right now. Try again in some seconds.</p>\n"
)

// What may be the id of a request (https://devcenter.heroku.com/articles/http-request-id).
var requestId = regexp.MustCompile(`^[A-Za-z0-9+/=-]{20,200}$`)

// How the ingress of a Swarm says in its own name that nobody answers. No app says it without a content type.
var ingressSays = map[string]bool{
	"Bad Gateway":           true,
	"Gateway Timeout":       true,
	"Internal Server Error": true,
	"no available server\n": true,
}

var dialer = &net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second}

var transport = &http.Transport{
	DialContext:           func(ctx context.Context, network, to string) (net.Conn, error) { return dialer.DialContext(ctx, network, to) },
	DisableCompression:    true,
	IdleConnTimeout:       idleTime,
	MaxIdleConnsPerHost:   200,
	ExpectContinueTimeout: time.Second,
	ReadBufferSize:        64 * 1024,
	WriteBufferSize:       64 * 1024,
}

var pages = &http.Client{Transport: transport, Timeout: pageTime}

// Config is what a router of Traefik's says of its requests.
type Config struct {
	// Who answers, each in turn, as host:port. Where nobody is named, Traefik's own service does.
	Endpoints []string `json:"endpoints,omitempty"`
	// Where the panel is, which knows what to tell a visitor when nobody answers, as host:port.
	Panel string `json:"panel,omitempty"`
	// Whether this is a part of the panel, whose paths are cleaned of dot segments and empty ones, and which closes no connection early.
	Cleans bool `json:"cleans,omitempty"`
	// Whether it is the ingress of a Swarm that is asked, which answers in its own name where nobody else does.
	Ingress bool `json:"ingress,omitempty"`
}

// CreateConfig returns what holds where a router says nothing.
func CreateConfig() *Config { return &Config{} }

// New returns the handler of one router.
func New(_ context.Context, next http.Handler, config *Config, _ string) (http.Handler, error) {
	if len(config.Endpoints) == 0 {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { passOn(next, w, r) }), nil
	}
	var balanced http.RoundTripper = &balancer{endpoints: config.Endpoints}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(request *httputil.ProxyRequest) { rewrite(request, config.Cleans) },
		Transport:     balanced,
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, _ error) { sayWhy(w, r, config.Panel) },
	}
	if config.Ingress {
		proxy.ModifyResponse = refuseIngress
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bePatient(r)
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
		} else if config.Cleans || keepBody(r) == nil {
			proxy.ServeHTTP(w, r)
		}
	}), nil
}

// bePatient makes of the time that a server gives to a whole request the time for its headers: a body may take as long as it
// takes. Traefik has no setting for it.
func bePatient(r *http.Request) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return
	}
	if limit := server.ReadTimeout; limit > 0 {
		server.ReadHeaderTimeout = limit
		server.ReadTimeout = 0
	}
}

// passOn leaves a request to Traefik's service, which would ask for gzip where the client asked for nothing.
func passOn(next http.Handler, w http.ResponseWriter, r *http.Request) {
	bePatient(r)
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header["Accept-Encoding"] = []string{"identity"}
	}
	next.ServeHTTP(w, r)
}

// keepBody reads a small body whole, so that the transport can send it on another connection if it finds the first one closed.
func keepBody(r *http.Request) error {
	if r.ContentLength <= 0 || r.ContentLength > keptBytes {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return err
}

func rewrite(request *httputil.ProxyRequest, cleans bool) {
	in, out := request.In, request.Out
	if cleans {
		out.URL = in.URL.JoinPath()
	} else {
		out.URL = asSent(in)
	}
	out.URL.Scheme = "http"
	// Traefik has seen to it that these are its own, or a trusted proxy's.
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values := in.Header[name]; len(values) > 0 {
			out.Header[name] = values
		}
	}
	if address, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		out.Header["X-Forwarded-For"] = joined(in.Header["X-Forwarded-For"], address)
	}
	// Traefik knows nothing of it, and some frameworks believe it.
	delete(out.Header, "X-Forwarded-Ssl")
	if !requestId.MatchString(in.Header.Get("X-Request-Id")) {
		out.Header["X-Request-Id"] = []string{newId()}
	}
	out.Header["X-Request-Start"] = []string{strconv.FormatInt(time.Now().UnixMilli(), 10)}
	out.Header["Via"] = joined(in.Header["Via"], strings.TrimPrefix(in.Proto, "HTTP/")+" skypanel")
}

// joined returns the values of a header as one, with another at their end.
func joined(values []string, last string) []string {
	if len(values) == 0 {
		return []string{last}
	}
	return []string{strings.Join(values, ", ") + ", " + last}
}

// asSent returns the URL that is written as the client wrote it.
func asSent(r *http.Request) *url.URL {
	path, query, asks := strings.Cut(r.RequestURI, "?")
	// Go writes an opaque URL that begins with two slashes as one with a scheme.
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") {
		return &url.URL{Opaque: r.RequestURI}
	}
	return &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query, ForceQuery: asks}
}

func newId() string {
	id := make([]byte, 16)
	rand.Read(id)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4 (RFC 9562)
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

type balancer struct {
	endpoints []string
	asked     atomic.Uint64
}

// RoundTrip asks the next endpoint, and those after it as long as none can be reached: nothing was sent to them.
func (b *balancer) RoundTrip(request *http.Request) (*http.Response, error) {
	count := uint64(len(b.endpoints))
	first := b.asked.Add(1)
	if count > 1 && request.Body != nil {
		request.Body = io.NopCloser(request.Body)
	}
	for tried := uint64(0); ; tried++ {
		request.URL.Host = b.endpoints[(first+tried)%count]
		response, err := transport.RoundTrip(request)
		if err == nil || tried+1 == count || !isUnreachable(err) {
			return response, err
		}
	}
}

func isUnreachable(err error) bool {
	failure, ok := err.(*net.OpError)
	return ok && failure.Op == "dial"
}

// refuseIngress takes an answer that is the ingress's own for none.
func refuseIngress(response *http.Response) error {
	if response.StatusCode < http.StatusInternalServerError || response.ContentLength < 0 || response.ContentLength > 32 {
		return nil
	}
	if kind := response.Header.Get("Content-Type"); kind != "" && response.Header.Get("X-Content-Type-Options") != "nosniff" {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err == nil && ingressSays[string(body)] {
		return fmt.Errorf("the ingress finds nobody")
	}
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

// sayWhy answers with the panel's page about the host that was asked for, or with our own if the panel does not answer either.
func sayWhy(w http.ResponseWriter, r *http.Request, panel string) {
	if r.Context().Err() != nil {
		return // the client has gone
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, ownPaths) {
		path = "/"
	}
	if page := ask(panel, r.Host, path); page != nil {
		defer page.Body.Close()
		if path != "/" || page.StatusCode == http.StatusServiceUnavailable {
			for name, values := range page.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(page.StatusCode)
			io.Copy(w, page.Body)
			return
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, lastWord)
}

// ask returns what the panel answers for a host; nil if it does not.
func ask(panel, host, path string) *http.Response {
	request, err := http.NewRequest(http.MethodGet, "http://"+panel, nil)
	if err != nil {
		return nil
	}
	request.URL.Path = path
	request.Host = host
	response, err := pages.Do(request)
	if err != nil {
		return nil
	}
	return response
}
