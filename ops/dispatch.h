// Registers operators with LibTorch's dispatcher and calls them through it.
//
// An operator has one schema, "rcnn::nms", and up to three kernels: for CPU tensors,
// for meta tensors (shapes alone) and, where gradients flow, for autograd. Python,
// TorchScript and the typed C++ functions of this folder all call the same
// registration. A device without a kernel of its own gets a fallback that copies the
// arguments to the CPU and the results back, with one warning per operator and type
// of device.
//
// Under autocast, as in torch.autocast, every operator computes in float32 what it gets in
// float16 or bfloat16. RoIAlign on CUDA reads maps of these types as they are (AutocastRule).
//
// No kernel copies its arguments to the CPU. CPU kernels check the values of their
// arguments, unless the caller has done so (unchecked_values.h); kernels for other
// devices check shapes and dtypes alone, since reading a value would wait for the device.
//
// Example:
//   TORCH_LIBRARY_FRAGMENT(rcnn, m) {
//     DefineOperator(m, "nms(Tensor boxes, Tensor scores) -> Tensor", &OnCpu, &OnMeta);
//   }
//   at::Tensor Nms(const at::Tensor& boxes, const at::Tensor& scores) {
//     static const auto op = FindOperator<decltype(OnCpu)>("nms");
//     return op.call(boxes, scores);
//   }
//
// Example, a library's kernel for another device, under the same name:
//   TORCH_LIBRARY_IMPL(rcnn, CUDA, m) { m.impl("nms", &NmsOnCuda); }

#ifndef RCNN_OPS_DISPATCH_H_
#define RCNN_OPS_DISPATCH_H_

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <string>
#include <utility>

namespace rcnn::ops {

// Returns operator "rcnn::<name>", callable with the C++ types of its schema. Throws
// c10::Error if it is not registered or has another signature.
template <typename Signature>
c10::TypedOperatorHandle<Signature> FindOperator(const std::string& name,
                                                 const char* overload = "") {
  return c10::Dispatcher::singleton()
      .findSchemaOrThrow(("rcnn::" + name).c_str(), overload)
      .typed<Signature>();
}

// "nms" of "nms(Tensor boxes, ...) -> Tensor". An overload's name stays: "proposals.sizes".
std::string OperatorName(const char* schema);

// Registers the fallback of operator `name` for devices without a kernel.
void RegisterFallback(torch::Library& library, const std::string& name);

// What an operator does under autocast with float16 and bfloat16.
enum class AutocastRule {
  // Converts them to float32.
  kFloat32,
  // RoIAlign's: maps, the first argument, are read as they are, and results have their type, if the
  // maps are on CUDA, of one type, and the operator has a kernel there. Elsewhere maps are
  // converted too; the other arguments always are.
  kReadsMaps,
};

// Registers what operator `name` does under autocast.
void RegisterAutocast(torch::Library& library, const std::string& name,
                      AutocastRule rule = AutocastRule::kFloat32);

// Defines `schema` by `function`, which is composed of differentiable operators. It works on every
// device. It also runs while torch.compile or torch.export traces it: it may read no value where
// HasValues (check.h) is false, and no size that may be a symbol.
template <typename Function>
void DefineCompositeOperator(torch::Library& library, const char* schema, Function&& function,
                             AutocastRule rule = AutocastRule::kFloat32) {
  library.def(schema, std::forward<Function>(function));
  RegisterAutocast(library, OperatorName(schema), rule);
}

// Defines `schema`, which has no tensor among its arguments.
template <typename Function>
void DefineFactory(torch::Library& library, const char* schema, Function* function) {
  library.def(schema);
  library.impl(OperatorName(schema).c_str(),
               torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, function));
}

// Defines `schema` with a kernel for CPU tensors, one for meta tensors, and the fallback. One
// function may serve as both kernels. No gradient flows: autograd passes the call on.
template <typename Cpu, typename Meta>
void DefineOperator(torch::Library& library, const char* schema, Cpu* cpu, Meta* meta,
                    AutocastRule rule = AutocastRule::kFloat32) {
  const std::string name = OperatorName(schema);
  library.def(schema);
  library.impl(name.c_str(), torch::dispatch(c10::DispatchKey::CPU, cpu));
  library.impl(name.c_str(), torch::dispatch(c10::DispatchKey::Meta, meta));
  library.impl(name.c_str(),
               torch::dispatch(c10::DispatchKey::Autograd, torch::CppFunction::makeFallthrough()));
  RegisterFallback(library, name);
  RegisterAutocast(library, name, rule);
}

// The same with an autograd kernel, which records the gradient and calls the operator again below
// autograd (at::AutoDispatchBelowADInplaceOrView).
template <typename Cpu, typename Meta, typename Autograd>
void DefineOperator(torch::Library& library, const char* schema, Cpu* cpu, Meta* meta,
                    Autograd* autograd, AutocastRule rule = AutocastRule::kFloat32) {
  const std::string name = OperatorName(schema);
  library.def(schema);
  library.impl(name.c_str(), torch::dispatch(c10::DispatchKey::CPU, cpu));
  library.impl(name.c_str(), torch::dispatch(c10::DispatchKey::Meta, meta));
  library.impl(name.c_str(), torch::dispatch(c10::DispatchKey::Autograd, autograd));
  RegisterFallback(library, name);
  RegisterAutocast(library, name, rule);
}

// The same without a gradient, and with `elsewhere`, composed from ATen's operators, instead of the
// fallback.
template <typename Cpu, typename Meta, typename Elsewhere>
void DefineComposedOperator(torch::Library& library, const char* schema, Cpu* cpu, Meta* meta,
                            Elsewhere* elsewhere) {
  const std::string name = OperatorName(schema);
  library.def(schema);
  library.impl(name.c_str(), torch::dispatch(c10::DispatchKey::CPU, cpu));
  library.impl(name.c_str(), torch::dispatch(c10::DispatchKey::Meta, meta));
  library.impl(name.c_str(),
               torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, elsewhere));
  library.impl(name.c_str(),
               torch::dispatch(c10::DispatchKey::Autograd, torch::CppFunction::makeFallthrough()));
  RegisterAutocast(library, name);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_DISPATCH_H_
