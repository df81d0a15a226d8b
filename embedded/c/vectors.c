/*
 * Runs the parts of the module over lines of standard input, `NAME ARGUMENT...`, where an argument is hex bytes, or a
 * decimal number with # before it. Writes the answer of each, a number, and 64 bytes of what it wrote.
 */
#include <stdio.h>

static uint8_t digit(char c) {
  return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

int main(void) {
  static struct sluice module;
  static char line[8192];
  module_instantiate(&module);
  u32 exchange = module_exchangeAt(&module), out = exchange + 448;
  while (fgets(line, sizeof(line), stdin) != NULL) {
    char *name = strtok(line, " \n");
    u32 arguments[8] = {0}, count = 0, at = exchange;
    if (name == NULL) continue;
    memset(range(&module.w2c_memory, exchange, 512), 0, 512);
    for (char *text; (text = strtok(NULL, " \n")) != NULL && count < 8; count++) {
      if (*text == '#') {
        sscanf(text + 1, "%u", &arguments[count]);
        continue;
      }
      arguments[count] = at;
      for (; text[0] != 0 && text[1] != 0; text += 2) {
        *range(&module.w2c_memory, at++, 1) = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
      }
    }
    u32 *a = arguments, answer = 1;
    if (strcmp(name, "verify") == 0) answer = module_verify(&module, a[0], a[1], a[2]);
    else if (strcmp(name, "sign") == 0) answer = module_sign(&module, a[0], a[1], a[2], out);
    else if (strcmp(name, "xOnly") == 0) module_xOnly(&module, a[0], out);
    else if (strcmp(name, "ecdh") == 0) answer = module_ecdh(&module, a[0], a[1], a[2], a[3], out);
    else if (strcmp(name, "createEllSwift") == 0) answer = module_createEllSwift(&module, a[0], a[1], out);
    else if (strcmp(name, "ellSwiftCase") == 0) answer = module_ellSwiftCase(&module, a[0], a[1], a[2], out);
    else if (strcmp(name, "ecdhPoint") == 0) answer = module_ecdhPoint(&module, a[0], a[1], out);
    else if (strcmp(name, "ecdhX") == 0) answer = module_ecdhX(&module, a[0], a[1], out);
    else return 2;
    printf("%u ", answer & 1);
    for (u32 i = 0; i < 64; i++) printf("%02x", *range(&module.w2c_memory, out + i, 1));
    printf("\n");
  }
  return 0;
}
