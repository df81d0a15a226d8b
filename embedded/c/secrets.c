/*
 * One operation of the module on a secret, for a tool that counts instructions: `secrets OPERATION SECRET`, with the secret
 * as 64 hex digits. Only the function `operation` is to be counted.
 */
#include <stdio.h>

static struct sluice module;
static u32 exchange;

static __attribute__((noinline)) u32 operation(const char *name, u32 secret) {
  u32 other = exchange + 64, out = exchange + 320;
  if (strcmp(name, "ecdh") == 0) return module_ecdh(&module, other, other + 64, secret, 1, out);
  if (strcmp(name, "sign") == 0) return module_sign(&module, other, secret, other + 32, out);
  if (strcmp(name, "createEllSwift") == 0) return module_createEllSwift(&module, secret, other, out);
  if (strcmp(name, "publicKey") == 0) return module_multiply(&module, 2, other, secret, out), 1;
  /* The variable-time way, to see that the counts tell. */
  if (strcmp(name, "variable") == 0) return module_multiply(&module, 1, other + 192, secret, out), 1;
  return 0;
}

/* The generator, for `variable`. */
static const char generator[] = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                                "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";

static void read_hex(u32 to, const char *text) {
  for (unsigned byte; sscanf(text, "%2x", &byte) == 1; text += 2) *range(&module.w2c_memory, to++, 1) = (u8)byte;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  module_instantiate(&module);
  exchange = module_exchangeAt(&module);
  memset(range(&module.w2c_memory, exchange + 64, 192), 5, 192);
  read_hex(exchange, arguments[2]);
  read_hex(exchange + 256, generator);
  return operation(arguments[1], exchange) != 0 ? 0 : 1;
}
