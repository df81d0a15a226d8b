/*
 * What the C that wasm2c makes of the device module asks of its surroundings, without an operating system, heap, signals
 * or floating-point library: a memory of fixed size inside the instance, every access compared with that size, and a trap.
 *
 * The build puts this file in front of wasm2c's functions and sluice.c behind them: see build.ts.
 */
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "expected a little-endian target: the module's memory is little-endian"
#endif

typedef uint8_t u8;
typedef int8_t s8;
typedef uint16_t u16;
typedef int16_t s16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;
typedef float f32;

#if defined(__GNUC__)
#define UNUSED __attribute__((unused))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define NO_RETURN __attribute__((noreturn))
/* Even with -ffreestanding, four bytes are copied by one instruction. */
#define COPY __builtin_memcpy
#else
#define UNUSED
#define UNLIKELY(condition) (condition)
#define NO_RETURN
#define COPY memcpy
#endif

/*
 * What never happens: an access outside of the memory, an index outside of an array. -DSLUICE_TRAP=name names a function of
 * yours that does not return (a reset); without it, it is the compiler's trap instruction.
 */
#if defined(SLUICE_TRAP)
extern NO_RETURN void SLUICE_TRAP(void);
#elif defined(__GNUC__)
#define SLUICE_TRAP __builtin_trap
#else
#include <stdlib.h>
#define SLUICE_TRAP abort
#endif

#define UNREACHABLE SLUICE_TRAP()
/* Nothing is recursive: the depth of calls need not be counted. */
#define FUNC_PROLOGUE
#define FUNC_EPILOGUE

/* The whole memory of an instance. It is an array of known size, so that no pointer and no length has to be read first. */
typedef struct {
  u32 pages;
  _Alignas(8) u8 data[MODULE_MEMORY];
} wasm_rt_memory_t;

/*
 * An address is a U32 and an offset below the size of the memory. Where registers have 32 bits their sum may wrap, to an
 * address that is compared in its turn: it is still no way out of the memory.
 */
#if UINTPTR_MAX > 0xffffffffu
typedef u64 address;
#else
typedef u32 address;
#endif

static inline u8 *at(wasm_rt_memory_t *memory, u64 where, u32 size) {
  address place = (address)where;
  if (UNLIKELY(place > MODULE_MEMORY - size)) SLUICE_TRAP();
  return memory->data + place;
}

#define DEFINE_LOAD(name, stored, extended, result)                              \
  static inline UNUSED result name(wasm_rt_memory_t *memory, u64 where) {        \
    stored value;                                                                \
    COPY(&value, at(memory, where, sizeof(value)), sizeof(value));             \
    return (result)(extended)value;                                              \
  }
#define DEFINE_STORE(name, stored, given)                                        \
  static inline UNUSED void name(wasm_rt_memory_t *memory, u64 where, given x) { \
    stored value = (stored)x;                                                    \
    COPY(at(memory, where, sizeof(value)), &value, sizeof(value));             \
  }

DEFINE_LOAD(i32_load, u32, u32, u32)
DEFINE_LOAD(i64_load, u64, u64, u64)
DEFINE_LOAD(f32_load, f32, f32, f32)
DEFINE_LOAD(i32_load8_s, s8, s32, u32)
DEFINE_LOAD(i64_load8_s, s8, s64, u64)
DEFINE_LOAD(i32_load8_u, u8, u32, u32)
DEFINE_LOAD(i64_load8_u, u8, u64, u64)
DEFINE_LOAD(i32_load16_s, s16, s32, u32)
DEFINE_LOAD(i64_load16_s, s16, s64, u64)
DEFINE_LOAD(i32_load16_u, u16, u32, u32)
DEFINE_LOAD(i64_load16_u, u16, u64, u64)
DEFINE_LOAD(i64_load32_s, s32, s64, u64)
DEFINE_LOAD(i64_load32_u, u32, u64, u64)
DEFINE_STORE(i32_store, u32, u32)
DEFINE_STORE(i64_store, u64, u64)
DEFINE_STORE(f32_store, f32, f32)
DEFINE_STORE(i32_store8, u8, u32)
DEFINE_STORE(i32_store16, u16, u32)
DEFINE_STORE(i64_store8, u8, u64)
DEFINE_STORE(i64_store16, u16, u64)
DEFINE_STORE(i64_store32, u32, u64)

static inline u8 *range(wasm_rt_memory_t *memory, u32 where, u32 length) {
  if (UNLIKELY(length > MODULE_MEMORY || where > MODULE_MEMORY - length)) SLUICE_TRAP();
  return memory->data + where;
}

static inline UNUSED void memory_fill(wasm_rt_memory_t *memory, u32 where, u32 value, u32 length) {
  memset(range(memory, where, length), (int)(value & 255), length);
}

static inline UNUSED void memory_copy(wasm_rt_memory_t *to, wasm_rt_memory_t *from, u32 where, u32 source, u32 length) {
  memmove(range(to, where, length), range(from, source, length), length);
}

#define LOAD_DATA(memory, where, bytes, length) memcpy(range(&(memory), where, length), bytes, length)

static inline UNUSED void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, u32 pages, u32 max_pages) {
  (void)pages;
  (void)max_pages;
  memset(memory->data, 0, MODULE_MEMORY);
  memory->pages = (MODULE_MEMORY + 65535u) / 65536u;
}

/* All memory is there from the start. */
static inline UNUSED u32 wasm_rt_grow_memory(wasm_rt_memory_t *memory, u32 pages) {
  return pages == 0 ? memory->pages : 0xffffffffu;
}

#define ROTATE(x, left, mask) (((x) << ((left) & (mask))) | ((x) >> ((0u - (left)) & (mask))))
#define I32_ROTL(x, y) ROTATE(x, y, 31)
#define I64_ROTL(x, y) ROTATE(x, y, 63)
#define I32_ROTR(x, y) ROTATE(x, 0u - (y), 31)
#define I64_ROTR(x, y) ROTATE(x, 0u - (y), 63)
#define I32_CLZ(x) ((x) ? (u32)__builtin_clz(x) : 32u)
#define I64_CLZ(x) ((x) ? (u64)__builtin_clzll(x) : 64u)
#define I32_CTZ(x) ((x) ? (u32)__builtin_ctz(x) : 32u)
#define I64_CTZ(x) ((x) ? (u64)__builtin_ctzll(x) : 64u)

static inline UNUSED u32 I32_DIV_S(u32 x, u32 y) {
  if (y == 0 || (x == 0x80000000u && y == 0xffffffffu)) SLUICE_TRAP();
  return (u32)((s32)x / (s32)y);
}

static inline UNUSED u32 I32_REM_S(u32 x, u32 y) {
  if (y == 0) SLUICE_TRAP();
  return y == 0xffffffffu ? 0 : (u32)((s32)x % (s32)y);
}

static inline UNUSED u32 DIV_U(u32 x, u32 y) {
  if (y == 0) SLUICE_TRAP();
  return x / y;
}

static inline UNUSED u32 REM_U(u32 x, u32 y) {
  if (y == 0) SLUICE_TRAP();
  return x % y;
}

static inline UNUSED u32 i32_reinterpret_f32(f32 x) {
  u32 bits;
  COPY(&bits, &x, sizeof(bits));
  return bits;
}

static inline UNUSED f32 f32_reinterpret_i32(u32 bits) {
  f32 x;
  COPY(&x, &bits, sizeof(x));
  return x;
}
