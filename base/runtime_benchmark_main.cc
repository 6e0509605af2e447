// main() of benchmarks: Google Benchmark with the machine's threads and BLAS.

#include "benchmark/benchmark.h"
#include "rcnn/base/runtime.h"

int main(int argc, char** argv) {
  rcnn::InitRuntimeWithoutFlags(argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
