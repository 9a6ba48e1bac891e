// Package forward forwards requests from Traefik to their servers: as the client sent them, with the headers that Heroku adds.
//
// Traefik interprets it (https://doc.traefik.io/traefik/extend/extend-traefik/) with Yaegi. Yaegi has two limits that
// matter here: a value of a type of ours must be an interface before it goes into a struct of the standard library, and fields
// of our structs are assigned one by one.
package forward

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
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
	// Challenges of certificate authorities, which ask over HTTP (RFC 8555, 8.3).
	challenges = "/.well-known/acme-challenge/"
	tokenHeader = "X-SkyPanel-Proxy-Token"
	errorsPath = "/internal/http-errors"
	exchangeOf = "skypanel/exchange"
	// What precedes the code in an error of the ingress.
	ingressPrefix = "ingress: "
	lastWord      = "<!doctype html><title>Not available</title><h1>Not available</h1>" +
		"<p>What is asked for cannot be reached right now. Try again in some seconds.</p>\n"
)

// The codes of errors (https://devcenter.heroku.com/articles/error-codes).
const (
	firstByteTimeout = "H12"
	closedEarly      = "H13"
	idleTimeout      = "H15"
	malformed        = "H17"
	interrupted      = "H18"
	connectTimeout   = "H19"
	refused          = "H21"
	clientIdle       = "H28"
)

// Valid request ids (https://devcenter.heroku.com/articles/http-request-id).
var requestId = regexp.MustCompile(`^[A-Za-z0-9+/=-]{20,200}$`)

// The bodies of a Swarm ingress's own errors, and their codes. Apps send such a body only with a content type.
var ingressSays = map[string]string{
	"Bad Gateway":           closedEarly,
	"Gateway Timeout":       connectTimeout,
	"Internal Server Error": closedEarly,
	"no available server\n": refused,
}

// What only a proxy may say of a request.
var proxysOwn = []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-Ip", "Forwarded", "Via",
	"X-Forwarded-Ssl", "X-Forwarded-Server", "X-Request-Id", "X-Request-Start"}

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

// One proxy for all apps: what differs between them is in the request's exchange.
var proxy = &httputil.ReverseProxy{
	Rewrite:        func(request *httputil.ProxyRequest) { rewrite(request) },
	Transport:      balanced,
	FlushInterval:  -1,
	ModifyResponse: func(response *http.Response) error { return received(response) },
	ErrorHandler:   func(w http.ResponseWriter, r *http.Request, err error) { sayWhy(w, r, err) },
}

var balanced http.RoundTripper = &balancer{}

// Config is the configuration of one of Traefik's middlewares.
type Config struct {
	// The servers, as host:port, in round robin. If there are none, Traefik's own service answers.
	Endpoints []string `json:"endpoints,omitempty"`
	// The panel, as host:port, and what authenticates the proxy there. It has the page for a visitor if no server answers,
	// and logs errors.
	Panel string `json:"panel,omitempty"`
	Token string `json:"token,omitempty"`
	// Where the panel has its table of apps, if they come before the servers, and the file with the last one.
	Routes string `json:"routes,omitempty"`
	Kept   string `json:"kept,omitempty"`
	// Whether the panel asks here which route of an app is in use.
	Tells bool `json:"tells,omitempty"`
	// The port of HTTPS for redirects.
	HttpsPort int `json:"httpsPort,omitempty"`
}

// CreateConfig returns the default configuration.
func CreateConfig() *Config { return &Config{} }

// New returns the handler of one router.
func New(_ context.Context, next http.Handler, config *Config, _ string) (http.Handler, error) {
	if config.Tells {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tellRoute(w, r) }), nil
	}
	if len(config.Endpoints) == 0 {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { passOn(next, w, r) }), nil
	}
	panel := &App{Endpoints: config.Endpoints, Cleans: true}
	if config.Routes == "" {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, config, panel) }), nil
	}
	followRoutes(config)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		app, isRedirected := find(r)
		if isRedirected {
			bePatient(r)
			redirect(w, r, config.HttpsPort)
		} else if app != nil {
			serve(w, r, config, app)
		} else {
			serve(w, r, config, panel)
		}
	}), nil
}

// serve forwards a request to the servers of an app or of the panel.
func serve(w http.ResponseWriter, r *http.Request, config *Config, app *App) {
	bePatient(r)
	if r.Method == http.MethodConnect {
		w.WriteHeader(http.StatusMethodNotAllowed)
	} else {
		forward(w, r, config, app)
	}
}

// forward forwards one request, and ends it when it exceeds a limit.
func forward(w http.ResponseWriter, r *http.Request, config *Config, app *App) {
	ctx, cancel := context.WithCancel(r.Context())
	e := &exchange{config: config, app: app, client: r.Context(), cancel: cancel, began: time.Now(), fwd: fwdOf(r), id: idOf(r)}
	r = r.WithContext(context.WithValue(ctx, exchangeOf, e))
	e.request = r
	defer e.end()
	if !app.Cleans && !keepBody(w, r, e) {
		return
	}
	e.watch()
	proxy.ServeHTTP(w, r)
	e.completed = true
}

// exchange is a request and its response on their way.
type exchange struct {
	config    *Config
	app       *App
	request   *http.Request
	client    context.Context
	cancel    context.CancelFunc
	began     time.Time
	endpoint  string
	fwd       string
	id        string
	timer     *time.Timer
	sent      *io.LimitedReader
	got       *io.LimitedReader
	streamed  atomic.Int64
	answered  atomic.Bool
	expired   atomic.Bool
	completed bool
	seen      int64
	quiet     time.Time
}

// watch begins to count bytes and time, if there are limits.
func (e *exchange) watch() {
	if e.app.FirstByteMs <= 0 || e.app.IdleMs <= 0 {
		return
	}
	e.quiet = time.Now()
	wait := e.limit()
	if e.request.Body != nil && e.request.ContentLength != 0 {
		// The library's own reader counts: one of ours would be interpreted at each read.
		e.sent = &io.LimitedReader{R: e.request.Body, N: math.MaxInt64}
		e.request.Body = io.NopCloser(e.sent)
		wait /= 4
	}
	e.timer = time.AfterFunc(wait, func() { e.tick() })
}

func (e *exchange) limit() time.Duration {
	if e.answered.Load() {
		return time.Duration(e.app.IdleMs) * time.Millisecond
	}
	return time.Duration(e.app.FirstByteMs) * time.Millisecond
}

// progress returns a number that grows with each byte in either direction.
func (e *exchange) progress() int64 {
	moved := e.streamed.Load()
	for _, reader := range []*io.LimitedReader{e.sent, e.got} {
		if reader != nil {
			moved += math.MaxInt64 - reader.N
		}
	}
	if e.answered.Load() {
		moved++
	}
	return moved
}

// tick ends the exchange if nothing has moved for as long as its limit, and else looks again.
func (e *exchange) tick() {
	if e.request.Context().Err() != nil {
		return // it has ended meanwhile
	}
	limit, moved := e.limit(), e.progress()
	if moved != e.seen {
		e.seen = moved
		e.quiet = time.Now()
	} else if time.Since(e.quiet) >= limit {
		e.expired.Store(true)
		if e.answered.Load() {
			tell(e, idleTimeout)
		}
		e.cancel()
		return
	}
	e.timer.Reset(limit / 4)
}

// end frees what the exchange holds. A response that was cut off is logged.
func (e *exchange) end() {
	if e.timer != nil {
		e.timer.Stop()
	}
	isCut := !e.completed && e.answered.Load() && !e.expired.Load() && e.client.Err() == nil
	e.cancel()
	if isCut {
		tell(e, interrupted)
	}
}

// counted is the stream of an upgraded connection, such as a WebSocket's.
type counted struct {
	stream io.ReadWriteCloser
	e      *exchange
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.stream.Read(p)
	c.e.streamed.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.stream.Write(p)
	c.e.streamed.Add(int64(n))
	return n, err
}

func (c *counted) Close() error { return c.stream.Close() }

// received checks a response's beginning, and begins to watch the rest.
func received(response *http.Response) error {
	e, ok := response.Request.Context().Value(exchangeOf).(*exchange)
	if !ok {
		return nil
	}
	if e.app.Ingress {
		if err := refuseIngress(response); err != nil {
			return err
		}
	}
	if e.timer != nil {
		if stream, isUpgraded := response.Body.(io.ReadWriteCloser); isUpgraded && response.StatusCode == http.StatusSwitchingProtocols {
			var both io.ReadWriteCloser = &counted{stream: stream, e: e}
			response.Body = both
		} else {
			// Its end closes nothing: that the exchange is cancelled does.
			e.got = &io.LimitedReader{R: response.Body, N: math.MaxInt64}
			response.Body = io.NopCloser(e.got)
		}
	}
	e.answered.Store(true)
	if e.timer != nil {
		e.timer.Reset(e.limit() / 4)
	}
	if e.app.Hsts != "" && isSecure(response.Request) && response.Header.Get("Strict-Transport-Security") == "" {
		response.Header.Set("Strict-Transport-Security", e.app.Hsts)
	}
	return nil
}

// isSecure says whether the visitor came over TLS, to us or to a trusted proxy in front.
func isSecure(r *http.Request) bool {
	scheme := r.Header.Get("X-Forwarded-Proto")
	return scheme == "https" || scheme == "wss"
}

// redirect redirects a request to HTTPS.
func redirect(w http.ResponseWriter, r *http.Request, port int) {
	to := "https://" + hostOf(r)
	if port != 443 {
		to += ":" + strconv.Itoa(port)
	}
	if strings.HasPrefix(r.RequestURI, "/") {
		to += r.RequestURI
	} else {
		to += r.URL.RequestURI()
	}
	w.Header().Set("Location", to)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		w.WriteHeader(http.StatusMovedPermanently)
	} else {
		w.WriteHeader(http.StatusPermanentRedirect)
	}
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
	delete(r.Header, "X-Forwarded-Server")
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header["Accept-Encoding"] = []string{"identity"}
	}
	next.ServeHTTP(w, r)
}

// keepBody buffers a small body, so that the transport can send it again if it finds the first connection closed. It returns false if the
// body does not come: what comes too slowly is answered.
func keepBody(w http.ResponseWriter, r *http.Request, e *exchange) bool {
	if r.ContentLength <= 0 || r.ContentLength > keptBytes {
		return true
	}
	var late *time.Timer
	var conn net.Conn
	stopped := make(chan bool, 1)
	if e.app.IdleMs > 0 {
		late = time.AfterFunc(time.Duration(e.app.IdleMs)*time.Millisecond, func() {
			conn = stopReading(w, r)
			stopped <- true
		})
	}
	body, err := io.ReadAll(r.Body)
	if late != nil && !late.Stop() {
		<-stopped
		sayIdle(w, e, conn)
		return false
	}
	if err != nil {
		return false // the client has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return true
}

// stopReading ends a read of a request's body. With HTTP/1 it takes the connection over, and returns it: Traefik hides what sets a
// deadline for the body.
func stopReading(w http.ResponseWriter, r *http.Request) net.Conn {
	if r.ProtoMajor > 1 {
		r.Body.Close()
		return nil
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	return conn
}

// sayIdle answers a client that did not send its request in time, on its connection if that was taken over.
func sayIdle(w http.ResponseWriter, e *exchange, conn net.Conn) {
	if conn == nil {
		show(w, e, clientIdle)
		return
	}
	defer conn.Close()
	page := ask(e, clientIdle)
	if page == nil {
		page = &http.Response{
			StatusCode: http.StatusRequestTimeout, ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": []string{"text/html; charset=utf-8"}},
			Body:   io.NopCloser(strings.NewReader(lastWord)), ContentLength: int64(len(lastWord)),
		}
	}
	defer page.Body.Close()
	page.Close = true
	conn.SetDeadline(time.Now().Add(pageTime))
	page.Write(conn)
}

func rewrite(request *httputil.ProxyRequest) {
	in, out := request.In, request.Out
	e, ok := in.Context().Value(exchangeOf).(*exchange)
	if !ok {
		return
	}
	for _, name := range proxysOwn {
		delete(out.Trailer, name)
	}
	if e.app.Cleans {
		out.URL = in.URL.JoinPath()
	} else {
		out.URL = asSent(in)
	}
	out.URL.Scheme = "http"
	// Traefik ensures that these are its own or a trusted proxy's.
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values := in.Header[name]; len(values) > 0 {
			out.Header[name] = values
		}
	}
	out.Header["X-Forwarded-For"] = []string{e.fwd}
	// Traefik does not remove the one, and some frameworks trust it; it adds the other, which is the name of this machine.
	delete(out.Header, "X-Forwarded-Ssl")
	delete(out.Header, "X-Forwarded-Server")
	out.Header["X-Request-Id"] = []string{e.id}
	out.Header["X-Request-Start"] = []string{strconv.FormatInt(time.Now().UnixMilli(), 10)}
	out.Header["Via"] = joined(in.Header["Via"], strings.TrimPrefix(in.Proto, "HTTP/")+" skypanel")
}

// fwdOf returns the addresses that a request came through: what trusted proxies say, and then the client's of this connection.
func fwdOf(r *http.Request) string {
	values := r.Header["X-Forwarded-For"]
	if address, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		values = joined(values, address)
	}
	return strings.Join(values, ", ")
}

// idOf returns the id of a request: the client's, if it is valid.
func idOf(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); requestId.MatchString(id) {
		return id
	}
	return newId()
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

type balancer struct{}

// RoundTrip tries the next endpoint, and then the others while none accepts a connection: nothing was sent to them.
func (b *balancer) RoundTrip(request *http.Request) (*http.Response, error) {
	e, ok := request.Context().Value(exchangeOf).(*exchange)
	if !ok {
		return nil, errors.New("this is no request of ours")
	}
	endpoints := e.app.Endpoints
	count := uint64(len(endpoints))
	first := atomic.AddUint64(&e.app.Asked, 1)
	if count > 1 && request.Body != nil {
		request.Body = io.NopCloser(request.Body)
	}
	for tried := uint64(0); ; tried++ {
		e.endpoint = endpoints[(first+tried)%count]
		request.URL.Host = e.endpoint
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
	if code := ingressSays[string(body)]; err == nil && code != "" {
		return fmt.Errorf("%s%s", ingressPrefix, code)
	}
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

// codeOf returns the code of an error before a response.
func codeOf(err error, e *exchange) string {
	text := err.Error()
	if e.expired.Load() {
		return firstByteTimeout
	}
	if code, isIngress := strings.CutPrefix(text, ingressPrefix); isIngress {
		return code
	}
	if isUnreachable(err) {
		if err.(*net.OpError).Timeout() {
			return connectTimeout
		}
		return refused
	}
	if strings.Contains(text, "malformed") {
		return malformed
	}
	return closedEarly
}

// sayWhy answers with the panel's page about the error, or with our own if the panel does not answer either.
func sayWhy(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := r.Context().Value(exchangeOf).(*exchange)
	if ok && e.client.Err() != nil {
		return // the client has gone
	}
	if ok {
		show(w, e, codeOf(err, e))
	} else {
		showLast(w)
	}
}

// show answers with the panel's page about an error.
func show(w http.ResponseWriter, e *exchange, code string) {
	page := ask(e, code)
	if page == nil {
		showLast(w)
		return
	}
	defer page.Body.Close()
	for name, values := range page.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(page.StatusCode)
	io.Copy(w, page.Body)
}

// showLast answers with our own page.
func showLast(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, lastWord)
}

// tell tells the panel of an error after a response began, for the app's log.
func tell(e *exchange, code string) {
	go func() {
		if answer := ask(e, code); answer != nil {
			answer.Body.Close()
		}
	}()
}

// ask tells the panel of an error, and returns its page for the visitor, or nil.
func ask(e *exchange, code string) *http.Response {
	r := e.request
	told, err := json.Marshal(map[string]string{
		"code": code, "host": r.Host, "method": r.Method, "path": r.RequestURI, "request_id": e.id, "fwd": e.fwd, "endpoint": e.endpoint,
		"protocol": r.Header.Get("X-Forwarded-Proto"), "accept": r.Header.Get("Accept"),
		"service_ms": strconv.FormatInt(time.Since(e.began).Milliseconds(), 10),
	})
	if err != nil {
		return nil
	}
	request, err := http.NewRequest(http.MethodPost, "http://"+e.config.Panel+errorsPath, bytes.NewReader(told))
	if err != nil {
		return nil
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(tokenHeader, e.config.Token)
	response, err := pages.Do(request)
	if err != nil {
		return nil
	}
	switch response.StatusCode {
	case http.StatusServiceUnavailable, http.StatusRequestTimeout, http.StatusNoContent:
		return response
	}
	response.Body.Close()
	return nil
}
