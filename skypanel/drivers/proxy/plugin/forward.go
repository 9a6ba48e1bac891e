// Package forward forwards requests from Traefik to their servers: as the client sent them, with the headers that Heroku adds.
//
// Traefik interprets it (https://doc.traefik.io/traefik/extend/extend-traefik/) with Yaegi. Yaegi has one limit that matters
// here: a value of a type of ours must be an interface before it goes into a struct of the standard library.
package forward

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
 // Servers close idle connections, commonly after 2 s at the earliest. We close first, so that no request goes out on a
 // connection that is about to end.
	idleTime = 500 * time.Millisecond
	dialTime = 3 * time.Second
	pageTime = 2 * time.Second
 // A request's body up to this size is buffered, so that it can be sent again if nothing of it was sent.
	keptBytes = 64 * 1024
	ownPaths  = "/.well-known/skypanel/"
	lastWord  = "<!doctype html><title>Not available</title><h1>Not available</h1>" +
		"<p>What is asked for cannot be reached right now. Try again in some seconds.</p>\n"
)

// Valid request ids (https://devcenter.heroku.com/articles/http-request-id).
var requestId = regexp.MustCompile(`^[A-Za-z0-9+/=-]{20,200}$`)

// The bodies of a Swarm ingress's own errors. Apps send such a body only with a content type.
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

// Config is the configuration of one of Traefik's routers.
type Config struct {
 // The servers, as host:port, in round robin. If there are none, Traefik's own service answers.
	Endpoints []string `json:"endpoints,omitempty"`
 // The panel, as host:port. It has the page for a visitor if no server answers.
	Panel string `json:"panel,omitempty"`
 // Whether this is a part of the panel: dot segments and empty segments are removed from its paths, and it closes no
 // connection early.
	Cleans bool `json:"cleans,omitempty"`
 // Whether the server is the ingress of a Swarm, which sends its own errors if no dyno answers.
	Ingress bool `json:"ingress,omitempty"`
}

// CreateConfig returns the default configuration.
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

// bePatient makes the server's timeout for a whole request a timeout for its headers only. A body may take any time.
// Traefik has no setting for this.
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

// passOn forwards a request to Traefik's service, which would ask for gzip if the client asked for nothing.
func passOn(next http.Handler, w http.ResponseWriter, r *http.Request) {
	bePatient(r)
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header["Accept-Encoding"] = []string{"identity"}
	}
	next.ServeHTTP(w, r)
}

// keepBody buffers a small body, so that the transport can send it again if it finds the first connection closed.
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
 // Traefik ensures that these are its own or a trusted proxy's.
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values := in.Header[name]; len(values) > 0 {
			out.Header[name] = values
		}
	}
	if address, _, err := net.SplitHostPort(in.RemoteAddr); err == nil {
		out.Header["X-Forwarded-For"] = joined(in.Header["X-Forwarded-For"], address)
	}
 // Traefik does not remove it, and some frameworks trust it.
	delete(out.Header, "X-Forwarded-Ssl")
	if !requestId.MatchString(in.Header.Get("X-Request-Id")) {
		out.Header["X-Request-Id"] = []string{newId()}
	}
	out.Header["X-Request-Start"] = []string{strconv.FormatInt(time.Now().UnixMilli(), 10)}
	out.Header["Via"] = joined(in.Header["Via"], strings.TrimPrefix(in.Proto, "HTTP/")+" skypanel")
}

// joined returns the values of a header as one value, with another at its end.
func joined(values []string, last string) []string {
	if len(values) == 0 {
		return []string{last}
	}
	return []string{strings.Join(values, ", ") + ", " + last}
}

// asSent returns a URL with the path and query exactly as the client sent them.
func asSent(r *http.Request) *url.URL {
	path, query, asks := strings.Cut(r.RequestURI, "?")
 // Go writes an opaque URL that begins with two slashes with a scheme.
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

// RoundTrip tries the next endpoint, and then the others while none accepts a connection: nothing was sent to them.
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

// refuseIngress turns the ingress's own error into an error of the proxy.
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

// sayWhy answers with the panel's page about the requested host, or with our own if the panel does not answer either.
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

// ask returns the panel's answer for a host, or nil.
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
