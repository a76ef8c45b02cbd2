#ifndef DISTGAT_RNG_H
#define DISTGAT_RNG_H

#include <stdint.h>

#include <distgat/api.h>

DG_API_BEGIN

/* Counter-based randomness: every number is a function of a key and a counter, never of rank, thread or order. */

/* Mixes two words into a key; chain it to build keys such as (seed, epoch, layer, node). Bijective in `word` for a
   fixed key. Source: finalizer of SplitMix64 (Steele, Lea, Flood 2014). Local. */
static inline uint64_t dg_rng_key(uint64_t key, uint64_t word) {
  uint64_t x = (key ^ (word * 0x9E3779B97F4A7C15u)) + 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/* Uniform double in [0, 1) of a key. Local. */
static inline double dg_rng_uniform(uint64_t key, uint64_t counter) {
  return (double)(dg_rng_key(key, counter) >> 11) / (double)((uint64_t)1 << 53);
}

/* 32 bits that stand for the row `id` of a matrix whose key is `key`. Ids are multiplied, which carries, and the key
   comes by exclusive or, which does not: no key makes a shifted copy of another's rows. Local. */
static inline uint32_t dg_rng_row(uint64_t key, uint32_t id) {
  uint64_t x = id * 0x9E3779B97F4A7C15u ^ key;
  x = (x ^ (x >> 32)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 32)) * 0x94D049BB133111EBu;
  return (uint32_t)(x >> 32);
}

/* Uniform 32 bits for column `column` of the row for which `row` stands; cheap, and the same in scalar and vector code.
   Local. */
static inline uint32_t dg_rng_column(uint32_t row, uint64_t key, uint32_t column) {
  uint32_t x = column * 0x9E3779B1u ^ row;
  x = (x ^ (x >> 16)) + (uint32_t)(key >> 32);
  x = x * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

DG_API_END

#endif
