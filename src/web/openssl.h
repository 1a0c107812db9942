/* OpenSSL for http_*.c: a type of its own is called like one of our error codes. */
#ifndef COHORT_WEB_OPENSSL_H
#define COHORT_WEB_OPENSSL_H

#define ERR_STATE openssl_error_state
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#endif
