#ifndef DISTGAT_API_H
#define DISTGAT_API_H

/* Around the declarations of a public header: they have C linkage in C++ too, and are what the shared library shows. */
#ifdef __cplusplus
#define DG_API_BEGIN _Pragma("GCC visibility push(default)") extern "C" {
#define DG_API_END                                                                                                     \
  }                                                                                                                    \
  _Pragma("GCC visibility pop")
#define DG_NORETURN [[noreturn]]
#else
#define DG_API_BEGIN _Pragma("GCC visibility push(default)")
#define DG_API_END _Pragma("GCC visibility pop")
#define DG_NORETURN _Noreturn
#endif

#endif
