// A program of another workspace that starts as rcnn's programs do.

#include <cstdio>

#include "rcnn/base/runtime.h"

int main(int argc, char** argv) {
  rcnn::InitRuntime({"Prints the threads that tensors get here.", false, {}}, &argc, &argv);
  std::printf("%d threads\n", rcnn::GetRuntimeInfo().threads);
  return 0;
}
