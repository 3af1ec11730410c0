/* TLS for far ends, with the library that the peers are linked with. It is loaded when one runs, and declared here:
   its header files need not be installed. */
#include "ends.h"
#include <dlfcn.h>

/* The same for all tools: what all of them prefer. Each end refuses anything else. */
#define SUITE "TLS_AES_256_GCM_SHA384"
#define TLS1_3 0x0304
#define PEM 1 /* SSL_FILETYPE_PEM */

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

static void *tls_function(const char *name) {
  static void *library;
  if (!library && !(library = dlopen("libssl.so.3", RTLD_NOW))) library = dlopen("libssl.so.1.1", RTLD_NOW);
  void *function = library ? dlsym(library, name) : 0;
  if (!function) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  return function;
}

#define TLS(type, name, ...) ((type(*)(__VA_ARGS__))tls_function(#name))

static inline void refuse(const char *what) {
  fprintf(stderr, "TLS: %s\n", what);
  exit(1);
}

/* Speaks TLS over a connected socket: as the server where there is a certificate. */
static inline SSL *speak_tls(int peer, const char *certificate, const char *key) {
  SSL_CTX *context =
      TLS(SSL_CTX *, SSL_CTX_new, const void *)(TLS(const void *, TLS_method, void)());
  if (!context) refuse("no context");
  if (!TLS(int, SSL_CTX_set_ciphersuites, SSL_CTX *, const char *)(context, SUITE)) refuse("no such suite");
  int (*use_certificate)(SSL_CTX *, const char *, int) = tls_function("SSL_CTX_use_certificate_file");
  int (*use_key)(SSL_CTX *, const char *, int) = tls_function("SSL_CTX_use_PrivateKey_file");
  if (certificate && (use_certificate(context, certificate, PEM) != 1 || use_key(context, key, PEM) != 1))
    refuse("the certificate cannot be used");
  /* What a tool that only sends has not read when it closes is answered by a reset. */
  TLS(int, SSL_CTX_set_num_tickets, SSL_CTX *, size_t)(context, 0);
  /* Many records a read: a far end must not be the slower one. */
  TLS(void, SSL_CTX_set_default_read_buffer_len, SSL_CTX *, size_t)(context, 1 << 18);
  SSL *tls = TLS(SSL *, SSL_new, SSL_CTX *)(context);
  TLS(void, SSL_set_read_ahead, SSL *, int)(tls, 1);
  TLS(int, SSL_set_fd, SSL *, int)(tls, peer);
  int done = certificate ? TLS(int, SSL_accept, SSL *)(tls) : TLS(int, SSL_connect, SSL *)(tls);
  if (done != 1) refuse("no handshake");
  if (TLS(int, SSL_version, const SSL *)(tls) != TLS1_3) refuse("not version 1.3");
  return tls;
}
