// Operators on a device against the CPU's, on random arguments.
//
// What a test with a device needs and a test on the host does not show: that launches, copies and
// the compiler's code for the device are right. Used by compare_devices; the lists of operators are
// in compared_boxes.h, compared_rois.h and compared_training.h.
//
// Example:
//   for (const ComparedOperator& compared : ComparedBoxOperators()) {
//     ArgumentDraw draw(/*seed=*/1, /*round=*/2, /*large=*/false);
//     const DeviceDifference found = CompareWithCpu(compared, device, draw);
//     if (!found.problem.empty()) std::printf("%s\n", found.problem.c_str());
//   }

#ifndef RCNN_OPS_CUDA_DEVICE_COMPARISON_H_
#define RCNN_OPS_CUDA_DEVICE_COMPARISON_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace rcnn::ops {

// Draws the arguments of one call, on the CPU. The same seed and round give the same arguments.
class ArgumentDraw {
 public:
  // Rounds 0, 1 and 2 have 0, 1 and many rows, later ones a random number. `large`: many is
  // 1,000,000 boxes instead of 5,000.
  ArgumentDraw(uint64_t seed, int64_t round, bool large);

  // Rows of candidates: 0, 1, many, then 1 to 3,000.
  int64_t Rows();
  // Rows of objects and RoIs: 0, 1, 300, then 0 to 300 with one of eight 0.
  int64_t FewRows();
  // Uniform in low..high.
  int64_t Between(int64_t low, int64_t high);
  bool Coin() { return Between(0, 1) == 1; }
  // float32 or float64.
  at::ScalarType BoxType() { return Coin() ? at::kDouble : at::kFloat; }
  uint64_t Seed() { return random_(); }
  const at::Generator& generator() const { return generator_; }

  // [rows, 4] with sides of 1 to 200 pixels.
  at::Tensor Boxes(int64_t rows, at::ScalarType dtype);
  // Normally distributed.
  at::Tensor Normal(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat);
  // True with a probability of `share`.
  at::Tensor Mask(int64_t rows, double share);

 private:
  int64_t round_;
  int64_t many_;
  std::mt19937_64 random_;
  at::Generator generator_;
};

// A call with its arguments: moves them to the device and returns the operator's results there,
// gradients among them.
using DeviceCall = std::function<std::vector<at::Tensor>(const c10::Device&)>;

struct DeviceDifference {
  // Of all results, the largest |device - CPU| / max |CPU|. Of integers and masks, the largest
  // difference.
  double largest = 0;
  // What differs; "" if it is allowed.
  std::string problem;
};

// The larger of two differences; NaN if one of them is: a result that is not a number is the worst.
double LargerDifference(double a, double b);

struct ComparedOperator {
  std::string name;
  // The registered operators whose results it compares, without "rcnn::".
  std::vector<std::string> operators;
  // The largest difference allowed. Integers and masks must be equal.
  double tolerance = 0;
  std::function<DeviceCall(ArgumentDraw&)> draw;
  // Replaces the element-wise difference, for results whose number of rows depends on rounding.
  std::function<double(const std::vector<at::Tensor>& cpu, const std::vector<at::Tensor>& device)>
      difference = nullptr;
};

// Draws arguments and calls the operator on the CPU and on `device`. An exception of either call is
// a problem too.
DeviceDifference CompareWithCpu(const ComparedOperator& compared, const c10::Device& device,
                                ArgumentDraw& draw);

// A leaf on `device` that requires a gradient, and the gradient that a backward pass left in it;
// zeros without one.
at::Tensor MakeLeaf(const at::Tensor& values, const c10::Device& device);
at::Tensor TakeGradient(const at::Tensor& leaf);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_DEVICE_COMPARISON_H_
