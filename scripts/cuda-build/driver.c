// A stand-in for NVIDIA's driver, libcuda.so.1, on a machine without one: as old as DRIVER_VERSION says, and with the
// answer DRIVER_RESULT to whatever is asked of it.
#include <stdlib.h>
#include <string.h>

static int answer(void) { return atoi(getenv("DRIVER_RESULT")); }

int cuDriverGetVersion(int* version) {
  *version = atoi(getenv("DRIVER_VERSION"));
  return 0;
}

int cuGetProcAddress_v2(const char* name, void** function, int version, unsigned long long flags, int* status) {
  (void)version;
  (void)flags;
  *function = strcmp(name, "cuDriverGetVersion") == 0 ? (void*)cuDriverGetVersion
              : strncmp(name, "cuGetProcAddress", 16) == 0 ? (void*)cuGetProcAddress_v2
                                                           : (void*)answer;
  if (status != NULL) *status = 0;
  return 0;
}
