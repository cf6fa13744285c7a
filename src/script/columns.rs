//! Which columns a script can touch.

use std::collections::BTreeSet;

use rhai::{ASTNode, Expr};

use super::{SourceText, literal};
use crate::diagnostic::Diagnostic;

/// Names that scripts read after a dot or between brackets.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// `x` of `row.x` and `row["x"]`, of rows and of maps alike.
    pub names: BTreeSet<String>,
    /// Some parameter is indexed by a computed name: any column may be meant.
    pub any: bool,
}

/// What these files touch together.
pub fn touched(files: &[SourceText]) -> Result<Touched, Diagnostic> {
    let mut touched = Touched::default();
    for file in files {
        let ast = literal::plain_ast(file)?;
        let params: BTreeSet<&str> = ast.iter_functions().flat_map(|f| f.params).collect();
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::Property(property, _))) => {
                    touched.names.insert(property.2.to_string());
                }
                Some(ASTNode::Expr(Expr::Index(index, ..))) => match &index.rhs {
                    Expr::StringConstant(name, _) => {
                        touched.names.insert(name.to_string());
                    }
                    Expr::IntegerConstant(..) => {}
                    _ => {
                        touched.any |=
                            matches!(&index.lhs, Expr::Variable(variable, ..) if params.contains(variable.1.as_str()));
                    }
                },
                _ => {}
            }
            true
        });
    }
    Ok(touched)
}
